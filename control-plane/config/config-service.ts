/** The control plane's end of ConfigService.Watch (design section 5). */
import { randomUUID } from 'node:crypto';

import type { ServerDuplexStream } from '@grpc/grpc-js';

import { AppError, hookId, type Log } from '#core';
import {
  type Applied,
  type ConfigServiceServer,
  ConfigServiceService,
  type Hello,
  type WatchRequest,
  type WatchResponse,
} from '#proto';

import { checkNode, scopedId } from '../identity/authenticate.ts';
import { endWithError, type GrpcService } from '../server.ts';
import type { HookRegistry } from './hook-registry.ts';
import type { SetAnswer, SidecarIdentity, SidecarRegistry } from './sidecar-registry.ts';

export interface ConfigServiceOptions {
  readonly hooks: HookRegistry;
  readonly sidecars: SidecarRegistry;
  readonly log: Log;
}

type Stream = ServerDuplexStream<WatchRequest, WatchResponse>;

/** Every connected sidecar gets each new version of the hooks once, the newest only. */
export function createConfigService(options: ConfigServiceOptions): GrpcService {
  const open = new Map<string, Watch>();
  const implementation: ConfigServiceServer = {
    watch(stream: Stream) {
      const watch = new Watch(stream, options, (sidecarId) => {
        open.get(sidecarId)?.end('another stream of this sidecar took over');
        open.set(sidecarId, watch);
      });
      stream.on('data', (request: WatchRequest) => watch.receive(request));
      stream.on('error', () => undefined);
      stream.once('end', () => watch.end());
      stream.once('close', () => {
        watch.close();
        if (watch.sidecarId !== null && open.get(watch.sidecarId) === watch) {
          open.delete(watch.sidecarId);
          options.sidecars.disconnected(watch.sidecarId);
        }
      });
    },
  };
  return { definition: ConfigServiceService, implementation };
}

/** One sidecar's stream. */
class Watch {
  readonly #stream: Stream;
  readonly #options: ConfigServiceOptions;
  readonly #onHello: (sidecarId: string) => void;
  #identity: SidecarIdentity | null = null;
  #unsubscribe: (() => void) | null = null;
  /** Version and nonce of the set sent last. */
  #sent: { readonly version: string; readonly nonce: string } | null = null;
  #scheduled = false;
  #blocked = false;
  #ended = false;

  constructor(stream: Stream, options: ConfigServiceOptions, onHello: (sidecarId: string) => void) {
    this.#stream = stream;
    this.#options = options;
    this.#onHello = onHello;
  }

  get sidecarId(): string | null {
    return this.#identity?.sidecarId ?? null;
  }

  receive({ message }: WatchRequest): void {
    if (this.#ended) return;
    if (message?.$case === 'hello' && !this.#identity) return this.#hello(message.value);
    if (message?.$case === 'applied' && this.#identity) return this.#applied(message.value, this.#identity.sidecarId);
    this.#fail('MESSAGE_INVALID', this.#identity ? 'expected an answer to a hook set' : 'expected hello first');
  }

  /** Ends the stream from our side; with a reason the sidecar hears why. */
  end(reason?: string): void {
    if (this.#ended) return;
    this.close();
    if (reason === undefined) this.#stream.end();
    else this.#fail('STATE_ILLEGAL', reason);
  }

  close(): void {
    this.#ended = true;
    this.#unsubscribe?.();
  }

  #fail(code: 'MESSAGE_INVALID' | 'STATE_ILLEGAL', message: string): void {
    this.close();
    endWithError(this.#stream, new AppError(code, message), this.#options.log);
  }

  #hello(hello: Hello): void {
    const { metadata } = this.#stream;
    const claimed = identityOf(hello);
    if (claimed.sidecarId === '' || claimed.node === '')
      return this.#fail('MESSAGE_INVALID', 'hello names no sidecar or no node');
    try {
      checkNode(metadata, claimed.node);
    } catch (error) {
      this.close();
      return endWithError(this.#stream, error, this.#options.log);
    }
    const identity = { ...claimed, sidecarId: scopedId(metadata, claimed.sidecarId) };
    this.#onHello(identity.sidecarId);
    this.#identity = identity;
    const { hooks, sidecars, log } = this.#options;
    sidecars.connected(identity, hello.heldVersion);
    log.info({ sidecar: identity.sidecarId, node: identity.node, held: hello.heldVersion }, 'sidecar connected');
    this.#unsubscribe = hooks.onChange(() => this.#schedule());
    this.#schedule();
  }

  /** An answer to a set that is no longer the newest is old news. An empty nonce tells of the held set, unasked. */
  #applied(applied: Applied, sidecarId: string): void {
    const { sidecars, log } = this.#options;
    const current =
      applied.nonce === ''
        ? applied.version === sidecars.get(sidecarId).heldVersion
        : applied.nonce === this.#sent?.nonce;
    if (!current) return;
    const answer = answerOf(applied);
    if (!answer) return this.#fail('MESSAGE_INVALID', 'the answer has no state');
    sidecars.answered(sidecarId, answer);
    const failed = answer.hooks.filter(({ state }) => state === 'failed');
    if (answer.state === 'failed') log.warn({ sidecar: sidecarId, reason: answer.reason }, 'sidecar refused the hooks');
    for (const { hook, reason } of failed)
      log.warn({ sidecar: sidecarId, hook, reason }, 'sidecar could not apply a hook');
  }

  /** Changes of one turn, and all that come while the stream is blocked, become one push. */
  #schedule(): void {
    if (this.#scheduled || this.#blocked || this.#ended) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (!this.#ended) this.#push();
    });
  }

  #push(): void {
    const { hooks, sidecars } = this.#options;
    if (!this.#identity) return;
    const { sidecarId } = this.#identity;
    const { heldVersion, refusedVersion } = sidecars.get(sidecarId);
    const { problems: _, refused: __, ...set } = hooks.current.set;
    const nonce = randomUUID();
    const running = this.#sent?.version ?? heldVersion;
    if (set.version === running || set.version === refusedVersion) return;
    this.#sent = { version: set.version, nonce };
    if (this.#stream.write({ hookSet: { ...set, nonce } })) return;
    this.#blocked = true;
    this.#stream.once('drain', () => {
      this.#blocked = false;
      this.#schedule();
    });
  }
}

/** `PluginKind` on the wire. */
const PLUGIN_KIND_SOURCE = 1;

function identityOf({ sidecarId, node, version, plugins }: Hello): SidecarIdentity {
  return {
    sidecarId,
    node,
    version,
    plugins: plugins.map(({ kind, type, stability, schemaDigest }) => ({
      kind: kind === PLUGIN_KIND_SOURCE ? 'source' : 'action',
      type,
      stability,
      schemaDigest,
    })),
  };
}

/** By ApplyState's number. */
const STATES = new Map<number, SetAnswer['state']>([
  [1, 'applying'],
  [2, 'applied'],
  [3, 'failed'],
]);

function answerOf({ version, state, hooks, reason }: Applied): SetAnswer | null {
  const known = STATES.get(state);
  if (!known) return null;
  return {
    version,
    state: known,
    reason: known === 'failed' ? reason || 'refused without a reason' : '',
    hooks: hooks.map(({ namespace, name, digest, failure }) => ({
      hook: hookId({ namespace, name }),
      digest,
      state: failure === '' ? 'applied' : 'failed',
      reason: failure,
    })),
  };
}

import { type Clock, type Component, errorText, type Hook, hookId, type Log } from '#core';
import {
  ApplyState,
  ConfigServiceClient,
  convert,
  type HookSet as WireHookSet,
  type Plugin,
  type WatchRequest,
  type WatchResponse,
} from '#proto';

import type { Channel } from './channel.ts';
import { CHANNEL_OPTIONS, StreamLink } from './control-link.ts';
import { createSlices } from './slices.ts';

/** What became of one hook of a set; `failure` null: it runs. */
export interface HookFate {
  readonly hook: { readonly namespace: string; readonly name: string; readonly digest: string };
  readonly failure: string | null;
}

export interface ConfigClientOptions {
  readonly channel: Channel;
  readonly sidecarId: string;
  readonly node: string;
  readonly version: string;
  readonly plugins: readonly Plugin[];
  readonly clock: Clock;
  readonly log: Log;
  /** The set that runs, and what became of its hooks; version '' none. */
  readonly held: () => { readonly version: string; readonly fates: readonly HookFate[] };
  /** The version of a hook that runs, by `hookId`: one that is sent again unchanged is not read again. */
  readonly runs: (id: string) => Hook | undefined;
  /** Makes the set run and tells what became of each hook; `refused` are those of it that are none. */
  readonly apply: (
    version: string,
    hooks: readonly Hook[],
    refused: readonly HookFate[],
  ) => Promise<readonly HookFate[]>;
}

/** Takes hook sets from the control plane, one after the other, and answers what became of each hook. */
export class ConfigClient implements Component {
  readonly #options: ConfigClientOptions;
  readonly #service: ConfigServiceClient;
  readonly #link: StreamLink<WatchRequest, WatchResponse>;
  /** Only the newest set waits while one is being applied. */
  #next: WireHookSet | null = null;
  #applying: Promise<void> | null = null;

  constructor(options: ConfigClientOptions) {
    this.#options = options;
    this.#service = new ConfigServiceClient(options.channel.address, options.channel.credentials, CHANNEL_OPTIONS);
    this.#link = new StreamLink(
      'config',
      {
        open: (metadata) => this.#service.watch(metadata),
        onOpen: (send) => {
          send(this.#hello());
          // A control plane that was restarted learns what became of the set that is held and so not sent again.
          this.tell();
        },
        onMessage: ({ hookSet }) => {
          if (!hookSet) return;
          this.#next = hookSet;
          this.#applying ??= this.#applyAll().finally(() => (this.#applying = null));
        },
        onLost: () => (this.#next = null),
      },
      options.clock,
      options.log,
    );
  }

  start(): Promise<void> {
    this.#link.start();
    return Promise.resolve();
  }

  /** Says what became of the set that is held, unasked. */
  tell(): void {
    const { version, fates } = this.#options.held();
    if (version !== '') this.#answer({ version, nonce: '' }, ApplyState.APPLY_STATE_APPLIED, fates);
  }

  /** Nothing changes any more. */
  drain(): Promise<void> {
    return this.stop();
  }

  async stop(): Promise<void> {
    await this.#link.stop();
    this.#next = null;
    await this.#applying;
    this.#service.close();
  }

  #hello(): WatchRequest {
    const { sidecarId, node, version, plugins, held } = this.#options;
    const value = { sidecarId, node, version, plugins: [...plugins], heldVersion: held().version };
    return { message: { $case: 'hello', value } };
  }

  async #applyAll(): Promise<void> {
    for (let set = this.#next; set; set = this.#next) {
      this.#next = null;
      this.#answer(set, ApplyState.APPLY_STATE_APPLYING, []);
      try {
        this.#answer(set, ApplyState.APPLY_STATE_APPLIED, await this.#apply(set));
      } catch (error) {
        this.#options.log.error({ version: set.version, error: errorText(error) }, 'hook set refused');
        this.#answer(set, ApplyState.APPLY_STATE_FAILED, [], errorText(error));
      }
    }
  }

  async #apply(set: WireHookSet): Promise<readonly HookFate[]> {
    if (set.hooks.length === 0 && !set.explicitlyEmpty) throw new Error('the set is empty without saying so');
    const hooks: Hook[] = [];
    const refused: HookFate[] = [];
    const slice = createSlices();
    for (const wire of set.hooks) {
      await slice();
      try {
        const running = this.#options.runs(hookId(wire));
        hooks.push(running?.digest === wire.digest ? running : convert.hookFromProto(wire));
      } catch (error) {
        refused.push({ hook: wire, failure: errorText(error) });
        this.#options.log.warn({ hook: hookId(wire), error: errorText(error) }, 'hook refused');
      }
    }
    return this.#options.apply(set.version, hooks, refused);
  }

  #answer(
    { version, nonce }: Pick<WireHookSet, 'version' | 'nonce'>,
    state: ApplyState,
    fates: readonly HookFate[],
    reason = '',
  ): void {
    const hooks = fates.map(({ hook: { namespace, name, digest }, failure }) => ({
      namespace,
      name,
      digest,
      failure: failure ?? '',
    }));
    this.#link.send({ message: { $case: 'applied', value: { version, nonce, state, hooks, reason } } });
  }
}

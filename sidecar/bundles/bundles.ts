/** The images that the hooks of this node use: pulled when a hook is loaded, under the node's policy, and kept while it runs. */
import { realpath } from 'node:fs/promises';

import {
  AppError,
  type Clock,
  type Component,
  durationText,
  errorText,
  type ImageReference,
  imageText,
  isImageBelow,
  type Log,
  parseImage,
  whenAborted,
} from '#core';

import type { NodePolicy } from '../policy.ts';
import type { BundleCache, Bundle } from './cache.ts';
import type { BundleLimits } from './limits.ts';
import type { RegistrySettings } from './settings.ts';

/** A hook that is loaded waits so long for its image; then it is told that it has failed for now. */
const WAIT_MS = 250;
/** Pauses after a pull that failed: doubled from the first to the last. */
const FIRST_PAUSE_MS = 1000;
const LAST_PAUSE_MS = 300_000;
/** Once hooks have been loaded, and then as often as bundles are said to be used. */
const FIRST_SWEEP_MS = 60_000;
const SWEEP_MS = 3_600_000;
const MAX_FAILURES = 1000;

export interface BundlesOptions {
  readonly folder: string;
  readonly policy: NodePolicy;
  readonly settings: Omit<RegistrySettings, 'insecure'>;
  readonly clock: Clock;
  readonly log: Log;
  /** Something changed for hooks that failed for want of an image: it is there, or may be asked for again. */
  readonly onChange: () => void;
  readonly limits?: BundleLimits;
}

interface Failure {
  readonly reason: string;
  readonly tries: number;
  /** By the monotonic clock. */
  readonly retryAt: number;
}

interface Held {
  readonly digest: string;
  readonly users: Set<AbortSignal>;
}

export class Bundles implements Component {
  readonly #options: BundlesOptions;
  readonly #halt = new AbortController();
  readonly #pulls = new Map<string, Promise<Bundle>>();
  /** Images that a hook did not wait for. */
  readonly #told = new Set<string>();
  readonly #failures = new Map<string, Failure>();
  /** By the real path of their roots. */
  readonly #held = new Map<string, Held>();
  /** Loaded with the first image: a node without any pays nothing for it. */
  #loaded: Promise<BundleCache> | null = null;
  #sweeping: Promise<void> | null = null;

  constructor(options: BundlesOptions) {
    this.#options = options;
  }

  /**
   * The root of an image, which stays until `until` aborts. Rejects with CONFIG_INVALID (no image), POLICY_REFUSED (the node's
   * policy), PEER_UNAVAILABLE: it is still being pulled, or could not be; `onChange` follows.
   */
  async use(ref: string, until: AbortSignal): Promise<string> {
    const reference = parseImage(ref);
    this.#checkPolicy(reference);
    const cache = await this.#cache();
    const bundle = (await cache.find(reference)) ?? (await this.#pulled(cache, reference));
    const root = await realpath(bundle.root);
    await this.#hold(cache, root, bundle.digest, until);
    return root;
  }

  /** Whether a real path is in an image that a hook uses. */
  readonly has = (real: string): boolean => {
    for (const root of this.#held.keys()) if (real.startsWith(`${root}/`)) return true;
    return false;
  };

  /** Pulls under way end, and leave nothing. */
  async stop(): Promise<void> {
    this.#halt.abort(new AppError('STATE_ILLEGAL', 'no image is pulled any more'));
    await Promise.allSettled([...this.#pulls.values(), this.#sweeping]);
  }

  #checkPolicy(reference: ImageReference): void {
    const { allow, digestOnly } = this.#options.policy.bundles;
    const refuse = (why: string): never => {
      throw new AppError('POLICY_REFUSED', `the node's policy refuses image ${imageText(reference)}: ${why}`);
    };
    if (allow.length === 0) refuse('no registry is allowed (bundles.allow)');
    if (!isImageBelow(reference, allow)) refuse(`not below ${allow.join(' or ')} (bundles.allow)`);
    if (digestOnly && reference.digest === null)
      refuse('it has no digest (bundles.digestOnly), expected NAME@sha256:…');
  }

  /** Waits a moment for a pull; it goes on when that was not enough. */
  async #pulled(cache: BundleCache, reference: ImageReference): Promise<Bundle> {
    const { clock } = this.#options;
    const name = imageText(reference);
    const failure = this.#failures.get(name);
    if (failure && clock.monotonic() < failure.retryAt)
      throw unavailable(failure.reason, failure.retryAt - clock.monotonic());
    const pull = this.#pulls.get(name) ?? this.#start(cache, reference, name);
    const late = Promise.withResolvers<null>();
    const cancel = clock.after(WAIT_MS, () => late.resolve(null));
    const bundle = await Promise.race([pull, late.promise]).finally(cancel);
    if (bundle) return bundle;
    if (!this.#pulls.has(name)) return pull;
    this.#told.add(name);
    throw new AppError('PEER_UNAVAILABLE', `image ${name} is being pulled`);
  }

  #start(cache: BundleCache, reference: ImageReference, name: string): Promise<Bundle> {
    const { clock, log, onChange } = this.#options;
    const since = clock.monotonic();
    const work = async (): Promise<Bundle> => {
      try {
        const { bundle } = await cache.pull(reference, { signal: this.#halt.signal });
        const { digest, bytes, files } = bundle;
        log.info({ image: name, digest, bytes, files, ms: Math.round(clock.monotonic() - since) }, 'image pulled');
        this.#failures.delete(name);
        return bundle;
      } catch (error) {
        this.#halt.signal.throwIfAborted();
        throw this.#failed(name, errorText(error));
      } finally {
        this.#pulls.delete(name);
        if (this.#told.delete(name) && !this.#halt.signal.aborted) onChange();
      }
    };
    const pull = work();
    // Who asked may have gone on by then; the log and the next who asks know.
    pull.catch(() => undefined);
    this.#pulls.set(name, pull);
    return pull;
  }

  #failed(name: string, reason: string): AppError {
    const { clock, log, onChange } = this.#options;
    const tries = (this.#failures.get(name)?.tries ?? 0) + 1;
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** (tries - 1), LAST_PAUSE_MS);
    if (this.#failures.size >= MAX_FAILURES) this.#failures.clear();
    const failure = { reason, tries, retryAt: clock.monotonic() + pauseMs };
    this.#failures.set(name, failure);
    log.warn({ image: name, reason, tries, pauseMs }, 'image not pulled, tried again');
    const cancel = clock.after(pauseMs, () => {
      unfollow();
      // Timers may be early by a part of a millisecond.
      failure.retryAt = 0;
      onChange();
    });
    const unfollow = whenAborted(this.#halt.signal, cancel);
    return unavailable(reason, pauseMs);
  }

  async #hold(cache: BundleCache, root: string, digest: string, until: AbortSignal): Promise<void> {
    if (until.aborted) return;
    const held = this.#held.get(root) ?? { digest, users: new Set() };
    this.#held.set(root, held);
    held.users.add(until);
    whenAborted(until, () => {
      held.users.delete(until);
      if (held.users.size === 0) this.#held.delete(root);
    });
    await cache.touch(digest);
  }

  #cache(): Promise<BundleCache> {
    this.#halt.signal.throwIfAborted();
    this.#loaded ??= this.#load();
    return this.#loaded;
  }

  async #load(): Promise<BundleCache> {
    const { folder, policy, settings, clock, log, limits } = this.#options;
    const [{ BundleCache }, { LIMITS }, { nodePlatform }] = await Promise.all([
      import('./cache.ts'),
      import('./limits.ts'),
      import('./manifest.ts'),
    ]);
    const { insecure } = policy.bundles;
    const cache = new BundleCache({
      folder,
      settings: { ...settings, insecure },
      limits: limits ?? LIMITS,
      platform: nodePlatform(),
      clock,
      log,
    });
    this.#sweeping = this.#sweepOn(cache);
    return cache;
  }

  async #sweepOn(cache: BundleCache): Promise<void> {
    const { clock, log, policy } = this.#options;
    const { unusedFor: unusedMs, maxBytes } = policy.bundles;
    const { signal } = this.#halt;
    for (let pauseMs = FIRST_SWEEP_MS; ; pauseMs = SWEEP_MS) {
      await clock.sleep(pauseMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      const held = new Set([...this.#held.values()].map(({ digest }) => digest));
      try {
        for (const digest of held) await cache.touch(digest);
        await cache.sweep({ unusedMs, maxBytes, held });
      } catch (error) {
        log.warn({ error: errorText(error) }, 'unused bundles not removed');
      }
    }
  }
}

function unavailable(reason: string, pauseMs: number): AppError {
  const seconds = Math.max(1, Math.ceil(pauseMs / 1000));
  return new AppError('PEER_UNAVAILABLE', `${reason}; tried again in ${durationText(seconds * 1000)}`);
}

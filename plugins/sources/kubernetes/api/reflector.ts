/** One collection of the API server, listed and then watched without end (khook rows H5, H8; spec kubelet, rule 8). */
import { abortReason, type Clock, errorText, type Log, whenAborted, objectOf, textOf } from '#core';

import { identityOf } from '../objects.ts';
import { type ApiClient, ApiError, type Json } from './client.ts';

/** Objects of one page of a list. */
const PAGE = 500;
/** So long without a line, and another watch proves that the server still tells: silence alone is no proof. */
const QUIET_MS = 20_000;
const FIRST_PAUSE_MS = 500;
const LAST_PAUSE_MS = 15_000;
/** A watch is ended by the server after so long, five to ten minutes as clients do, so that not all end at once. */
const WATCH_SECONDS = 300;

export interface Heard {
  /** Everything there is. `gap`: the list comes after a watch that could not be resumed. Objects that are not in it are gone. */
  listed(objects: readonly Json[], gap: boolean): Promise<void>;
  /** One change. Resolves when it was taken: that is the backpressure. */
  changed(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: Json): Promise<void>;
}

export interface ReflectorOptions {
  readonly client: ApiClient;
  /** `/api/v1/pods`. */
  readonly path: string;
  /** `spec.nodeName=node1`; '' for all. */
  readonly fieldSelector: string;
  /** Where a former one had stopped: it is watched on from there, without a list. */
  readonly from?: string | undefined;
  readonly heard: Heard;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Called on each change of whether it hears: null, or why it does not. */
  readonly onDeaf: (why: string | null) => void;
}

export class Reflector {
  readonly #options: ReflectorOptions;
  readonly #synced = Promise.withResolvers<void>();
  #resourceVersion: string;
  #deaf: string | null = null;
  #wasListed: boolean;
  #failures = 0;

  constructor(options: ReflectorOptions) {
    this.#options = options;
    this.#resourceVersion = options.from ?? '';
    this.#wasListed = this.#resourceVersion !== '';
  }

  /** The newest version that was taken; '' before the first list. */
  get resourceVersion(): string {
    return this.#resourceVersion;
  }

  /** The first list was taken, or the first watch answered. */
  get synced(): Promise<void> {
    return this.#synced.promise;
  }

  /** Until the signal aborts. Never rejects for what the server does: that is told, and tried again. */
  async run(): Promise<void> {
    const { signal, log, clock, path } = this.#options;
    while (!signal.aborted) {
      try {
        if (this.#resourceVersion === '') await this.#list();
        await this.#watch();
        this.#failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        if (isGone(error)) {
          this.#resourceVersion = '';
          if (this.#failures++ === 0) continue;
        }
        this.#tell(errorText(error));
        log.debug({ path, error: errorText(error) }, 'watch ended');
        await clock.sleep(this.#pause(error), signal).catch(() => undefined);
      }
    }
  }

  #pause(error: unknown): number {
    const told = error instanceof ApiError ? error.retryAfterMs : null;
    const pause = Math.min(LAST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(this.#failures++, 10));
    return Math.max(told ?? 0, pause * (0.5 + Math.random()));
  }

  #tell(why: string | null): void {
    if (why === this.#deaf) return;
    this.#deaf = why;
    this.#options.onDeaf(why);
  }

  async #list(): Promise<void> {
    const { client, path, signal, heard } = this.#options;
    const objects: Json[] = [];
    let token = '';
    let resourceVersion = '';
    do {
      const page: Json = await client.get(this.#query({ limit: String(PAGE), continue: token }), signal);
      const metadata = objectOf(page.metadata);
      if (!Array.isArray(page.items)) throw new ApiError(0, `${path} answered no list`, null);
      objects.push(...page.items.map(objectOf));
      // Of the first page: what changes while the others come is told by the watch.
      resourceVersion ||= textOf(metadata.resourceVersion);
      token = textOf(metadata.continue);
    } while (token !== '');
    await heard.listed(objects, this.#wasListed);
    this.#wasListed = true;
    this.#resourceVersion = resourceVersion;
    this.#synced.resolve();
    this.#tell(null);
  }

  #query(parameters: Readonly<Record<string, string>>): string {
    const { path, fieldSelector } = this.#options;
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries({ ...parameters, fieldSelector }))
      if (value !== '') query.set(name, value);
    return `${path}?${query.toString()}`;
  }

  async #watch(): Promise<void> {
    let open: Open | null = await this.#open();
    while (open) open = await this.#follow(open);
  }

  async #open(): Promise<Open> {
    const { client, signal } = this.#options;
    const own = new AbortController();
    const unfollow = whenAborted(signal, () => own.abort(abortReason(signal)));
    const close = (): void => {
      unfollow();
      own.abort();
    };
    const path = this.#query({
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: this.#resourceVersion,
      timeoutSeconds: String(WATCH_SECONDS + Math.floor(Math.random() * WATCH_SECONDS)),
    });
    try {
      const lines = await client.watch(path, own.signal);
      this.#synced.resolve();
      this.#tell(null);
      return { lines, close };
    } catch (error) {
      close();
      throw error;
    }
  }

  /**
   * One watch, until the server ends it (null) or it has been quiet for too long: then the next one, which is open before this
   * one is closed, so that nothing falls between.
   */
  async #follow(current: Open): Promise<Open | null> {
    const { clock } = this.#options;
    const turn: { next: Open | null; failure: unknown; over: boolean } = { next: null, failure: null, over: false };
    let heardAt = clock.monotonic();
    const look = (): void => {
      const left = heardAt + QUIET_MS - clock.monotonic();
      if (left > 0) {
        cancel = clock.after(left, look);
        return;
      }
      this.#open()
        .then((opened) => {
          if (turn.over) opened.close();
          else turn.next = opened;
          return current.close();
        })
        .catch((error: unknown) => {
          turn.failure = error;
          current.close();
        });
    };
    let cancel = clock.after(QUIET_MS, look);
    try {
      for await (const line of current.lines) {
        await this.#take(line);
        heardAt = clock.monotonic();
      }
      return turn.next;
    } catch (error) {
      if (turn.next) return turn.next;
      throw turn.failure ?? error;
    } finally {
      turn.over = true;
      cancel();
      current.close();
    }
  }

  async #take(line: Json): Promise<void> {
    const type = textOf(line.type);
    const object = objectOf(line.object);
    if (type === 'ERROR') {
      const code = typeof object.code === 'number' ? object.code : 0;
      throw new ApiError(code, `watch of ${this.#options.path} ended: ${textOf(object.message)}`, null);
    }
    if (type === 'ADDED' || type === 'MODIFIED' || type === 'DELETED') await this.#options.heard.changed(type, object);
    const { resourceVersion } = identityOf(object);
    if (resourceVersion !== '') this.#resourceVersion = resourceVersion;
    this.#failures = 0;
  }
}

/** A watch that the server has answered. */
interface Open {
  readonly lines: AsyncIterable<Json>;
  readonly close: () => void;
}

/** The version that we asked for is no longer known there: only a list helps. */
function isGone(error: unknown): boolean {
  return (
    error instanceof ApiError &&
    (error.status === 410 || (error.status === 400 && /resource ?version/i.test(error.message)))
  );
}

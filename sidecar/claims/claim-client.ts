import { type ClaimAnswer, type ClaimOperation, type Clock, type Log } from '#core';
import { type ClaimRequest, type ClaimResponse, ClaimServiceClient, convert } from '#proto';

import type { Channel } from '../channel.ts';
import { AWAY_MS, CHANNEL_OPTIONS, StreamLink } from '../control-link.ts';
import { abortable } from '../waiting.ts';

const CHECK_MS = 250;

type Unnumbered<T> = T extends unknown ? Omit<T, 'id'> : never;
export type ClaimAsk = Unnumbered<ClaimOperation>;

/** The control plane did not answer; the operation may or may not have happened. */
export const AWAY = { kind: 'away' } as const;
export type ClaimReply = ClaimAnswer | typeof AWAY;

interface Waiting {
  readonly operation: ClaimOperation;
  readonly answer: (reply: ClaimReply) => void;
  /** Monotonic; infinite once it was told that the key is held. */
  askedAt: number;
}

/** What claims need of the control plane. */
export interface ClaimChannel {
  /**
   * Asks and calls `answer` with each reply: once, but for a held acquire, which is answered again when its key frees.
   * `AWAY` is always the last. Returns the operation's id.
   */
  ask(operation: ClaimAsk, answer: (reply: ClaimReply) => void): number;
  /** Gives up waiting for an acquire; no reply follows. */
  forget(id: number, key: string): void;
  /** Resolves when the control plane answers, at once when it does; rejects with the signal's reason. */
  back(signal: AbortSignal): Promise<void>;
}

/**
 * Claim operations of this sidecar over one batched stream; those of one tick travel together. What was not answered
 * when a stream ended is asked again on the next one: each operation means the same when it comes twice.
 */
export class ClaimClient implements ClaimChannel {
  readonly #sidecarId: string;
  readonly #clock: Clock;
  readonly #service: ClaimServiceClient;
  readonly #link: StreamLink<ClaimRequest, ClaimResponse>;
  readonly #waiting = new Map<number, Waiting>();
  /** Keys of acquires that nobody waits for any more: should one be granted after all, it is released. */
  readonly #forgotten = new Map<number, string>();
  readonly #onBack: () => void;
  readonly #back = new Set<() => void>();
  readonly #halt = new AbortController();
  #unsent: ClaimOperation[] = [];
  #lastId = 0;
  /** Monotonic time since which there is no stream; null: there is one. */
  #downSince: number | null;
  #away = false;

  /** `onBack`: the control plane answers, for the first time or again after it was away. */
  constructor(options: { channel: Channel; sidecarId: string; clock: Clock; log: Log; onBack: () => void }) {
    this.#sidecarId = options.sidecarId;
    this.#clock = options.clock;
    this.#onBack = options.onBack;
    this.#downSince = options.clock.monotonic();
    this.#service = new ClaimServiceClient(options.channel.address, options.channel.credentials, CHANNEL_OPTIONS);
    this.#link = new StreamLink(
      'claims',
      {
        open: (metadata) => this.#service.claim(metadata),
        onOpen: (send) => void send({ sidecarId: this.#sidecarId, operations: [] }),
        onMessage: (message) => this.#receive(message),
        onLost: () => (this.#downSince ??= this.#clock.monotonic()),
      },
      options.clock,
      options.log,
    );
  }

  start(): void {
    this.#downSince = this.#clock.monotonic();
    this.#link.start();
    void this.#watch();
  }

  async stop(): Promise<void> {
    this.#halt.abort();
    await this.#link.stop();
    this.#giveUp();
    this.#service.close();
  }

  /** Without an answer for 2 s, by a stream that ended or by one that is silent. */
  get away(): boolean {
    return this.#away;
  }

  back(signal: AbortSignal): Promise<void> {
    if (!this.#away) return Promise.resolve();
    return abortable(signal, (resolve) => {
      const back = (): void => resolve();
      this.#back.add(back);
      return () => this.#back.delete(back);
    });
  }

  ask(operation: ClaimAsk, answer: (reply: ClaimReply) => void): number {
    const id = ++this.#lastId;
    if (this.#away) {
      answer(AWAY);
      return id;
    }
    const numbered = { ...operation, id };
    this.#waiting.set(id, { operation: numbered, answer, askedAt: this.#clock.monotonic() });
    if (this.#unsent.length === 0) setImmediate(() => this.#send());
    this.#unsent.push(numbered);
    return id;
  }

  forget(id: number, key: string): void {
    if (!this.#waiting.delete(id)) return;
    this.#forgotten.set(id, key);
    this.ask({ kind: 'cancel', key, acquireId: id }, ({ kind }) => {
      if (kind !== AWAY.kind) this.#forgotten.delete(id);
    });
  }

  #send(): void {
    const operations = this.#unsent;
    this.#unsent = [];
    if (this.#downSince !== null || operations.length === 0) return;
    this.#link.send({ sidecarId: '', operations: operations.map(convert.claimOperationToProto) });
  }

  /** The first message of a stream is the control plane's greeting and may hold no answer. */
  #receive({ answers }: ClaimResponse): void {
    for (const wire of answers) this.#answer(convert.claimAnswerFromProto(wire));
    const wasDown = this.#downSince !== null;
    const wasAway = this.#away;
    this.#downSince = null;
    this.#away = false;
    if (wasDown) this.#askAgain();
    if (wasDown || wasAway) this.#onBack();
    for (const back of this.#back) back();
    this.#back.clear();
  }

  /** A new stream: what waited on the one before was forgotten with it. */
  #askAgain(): void {
    const now = this.#clock.monotonic();
    for (const waiting of this.#waiting.values()) {
      if (waiting.askedAt === Number.POSITIVE_INFINITY) waiting.askedAt = now;
    }
    this.#forgotten.clear();
    this.#unsent = [...this.#waiting.values()].map(({ operation }) => operation);
    this.#send();
  }

  #answer(answer: ClaimAnswer): void {
    const waiting = this.#waiting.get(answer.id);
    if (!waiting) {
      this.#unexpected(answer);
      return;
    }
    // Being held for long is no sign of an absent control plane.
    if (answer.kind === 'held') waiting.askedAt = Number.POSITIVE_INFINITY;
    else this.#waiting.delete(answer.id);
    waiting.answer(answer);
  }

  #unexpected(answer: ClaimAnswer): void {
    const key = this.#forgotten.get(answer.id);
    if (key === undefined || answer.kind === 'held') return;
    this.#forgotten.delete(answer.id);
    if (answer.kind !== 'granted') return;
    this.#away = false;
    this.ask({ kind: 'release', key, fence: answer.fence }, () => undefined);
  }

  async #watch(): Promise<void> {
    const { signal } = this.#halt;
    for (let last = this.#clock.monotonic(); !signal.aborted; last = this.#clock.monotonic()) {
      await this.#clock.sleep(CHECK_MS, signal).catch(() => undefined);
      // After a stall of this process answers may lie unread: they come first.
      if (this.#clock.monotonic() - last < AWAY_MS && !signal.aborted) this.#check();
    }
  }

  #check(): void {
    const longAgo = this.#clock.monotonic() - AWAY_MS;
    if (this.#unansweredSince(longAgo)) this.#giveUp();
    // Any answer to this says that the control plane is back.
    else if (this.#away && this.#downSince === null) this.#link.send({ sidecarId: '', operations: [this.#probe()] });
  }

  #unansweredSince(longAgo: number): boolean {
    if (this.#downSince !== null && this.#downSince <= longAgo) return true;
    for (const { askedAt } of this.#waiting.values()) if (askedAt <= longAgo) return true;
    return false;
  }

  /** An operation without an effect. */
  #probe() {
    return convert.claimOperationToProto({ kind: 'cancel', id: ++this.#lastId, key: this.#sidecarId, acquireId: 0 });
  }

  #giveUp(): void {
    this.#away = true;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { operation, answer } of waiting) {
      if (operation.kind === 'acquire') this.#forgotten.set(operation.id, operation.key);
      answer(AWAY);
    }
  }
}

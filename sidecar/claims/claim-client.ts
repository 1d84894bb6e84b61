import { type ClaimAnswer, type ClaimOperation, type Clock, type Log } from '#core';
import { type ClaimRequest, type ClaimResponse, ClaimServiceClient, convert } from '#proto';

import { CHANNEL_OPTIONS, channelCredentials, StreamLink } from '../control-link.ts';

/** A claim unanswered for so long means that the control plane is away (design section 6.9). */
const ANSWER_MS = 2000;
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

/**
 * Claim operations of this sidecar over one batched stream; those of one tick travel together. What was not answered
 * when a stream ended is asked again on the next one: each operation means the same when it comes twice.
 */
export class ClaimClient {
  readonly #sidecarId: string;
  readonly #clock: Clock;
  readonly #service: ClaimServiceClient;
  readonly #link: StreamLink<ClaimRequest, ClaimResponse>;
  readonly #waiting = new Map<number, Waiting>();
  readonly #onBack: () => void;
  #unsent: ClaimOperation[] = [];
  #lastId = 0;
  /** Monotonic time of the newest answer, or of the start. */
  #heardAt: number;
  #up = false;
  #away = false;
  #check: NodeJS.Timeout | null = null;

  /** `onBack`: the control plane answers, for the first time or again after it was away. */
  constructor(options: { address: string; sidecarId: string; clock: Clock; log: Log; onBack: () => void }) {
    this.#sidecarId = options.sidecarId;
    this.#clock = options.clock;
    this.#onBack = options.onBack;
    this.#heardAt = options.clock.monotonic();
    this.#service = new ClaimServiceClient(options.address, channelCredentials, CHANNEL_OPTIONS);
    this.#link = new StreamLink(
      'claims',
      {
        open: (metadata) => this.#service.claim(metadata),
        onOpen: (send) => void send({ sidecarId: this.#sidecarId, operations: [] }),
        onMessage: (message) => this.#receive(message),
        onLost: () => (this.#up = false),
      },
      options.clock,
      options.log,
    );
  }

  start(): void {
    this.#heardAt = this.#clock.monotonic();
    this.#link.start();
    this.#check = setInterval(() => this.#overdue(), CHECK_MS).unref();
  }

  async stop(): Promise<void> {
    if (this.#check) clearInterval(this.#check);
    await this.#link.stop();
    this.#giveUp();
    this.#service.close();
  }

  /** Without an answer for 2 s, by a stream that ended or by one that is silent. */
  get away(): boolean {
    return this.#away;
  }

  /**
   * Asks and calls `answer` with each reply: once, but for a held acquire, which is answered again when its key frees.
   * `AWAY` is always the last. Returns the operation's id.
   */
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

  /** One reply to an operation that has only one. */
  once(operation: ClaimAsk): Promise<ClaimReply> {
    return new Promise((resolve) => this.ask(operation, resolve));
  }

  /** Gives up waiting for a held acquire; no reply follows. */
  forget(id: number, key: string): void {
    if (this.#waiting.delete(id)) this.ask({ kind: 'cancel', key, acquireId: id }, () => undefined);
  }

  #send(): void {
    const operations = this.#unsent;
    this.#unsent = [];
    if (!this.#up || operations.length === 0) return;
    this.#link.send({ sidecarId: '', operations: operations.map(convert.claimOperationToProto) });
  }

  /** The first message of a stream is the control plane's greeting and may hold no answer. */
  #receive({ answers }: ClaimResponse): void {
    this.#heardAt = this.#clock.monotonic();
    for (const wire of answers) this.#answer(convert.claimAnswerFromProto(wire));
    if (!this.#up) {
      this.#up = true;
      this.#unsent = [...this.#waiting.values()].map(({ operation }) => operation);
      this.#send();
      this.#onBack();
    } else if (this.#away) this.#onBack();
    this.#away = false;
  }

  #answer(answer: ClaimAnswer): void {
    const waiting = this.#waiting.get(answer.id);
    if (!waiting) return;
    // Being held for long is no sign of an absent control plane.
    if (answer.kind === 'held') waiting.askedAt = Number.POSITIVE_INFINITY;
    else this.#waiting.delete(answer.id);
    waiting.answer(answer);
  }

  #overdue(): void {
    const now = this.#clock.monotonic();
    if (now - this.#heardAt < ANSWER_MS) return;
    const unanswered = [...this.#waiting.values()].some(({ askedAt }) => now - askedAt >= ANSWER_MS);
    if (!this.#up || unanswered) this.#giveUp();
  }

  #giveUp(): void {
    this.#away = true;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { answer } of waiting) answer(AWAY);
  }
}

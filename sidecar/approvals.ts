/** Asks people, through the control plane, what a hook does not decide alone. */
import { Metadata } from '@grpc/grpc-js';

import { AppError, type AskedPeople, type Clock, errorText, type Log, type PersonAnswer } from '#core';
import { ApprovalServiceClient, ApprovalState, type AwaitRequest, type AwaitResponse } from '#proto';

import type { Channel } from './channel.ts';
import { CHANNEL_OPTIONS, unary } from './control-link.ts';

/** Between two tries to reach the control plane: an answer that was given meanwhile is late by no more. */
const PAUSE_MS = 200;
/** Characters of one text that people are shown. */
const LONGEST_TEXT = 4000;

export class ApprovalClient {
  readonly #service: ApprovalServiceClient;
  readonly #node: string;
  readonly #clock: Clock;
  readonly #log: Log;

  constructor(channel: Channel, node: string, clock: Clock, log: Log) {
    this.#service = new ApprovalServiceClient(channel.address, channel.credentials, CHANNEL_OPTIONS);
    this.#node = node;
    this.#clock = clock;
    this.#log = log;
  }

  async stop(): Promise<void> {
    this.#service.close();
  }

  /**
   * Resolves with what a person said, or with deny when nobody did in time; the control plane may be away or restarted meanwhile.
   * Rejects with the signal's reason: the agent does not wait any more, and people are told so.
   */
  readonly ask = async (asked: AskedPeople, signal: AbortSignal): Promise<PersonAnswer> => {
    const end = this.#clock.monotonic() + asked.waitMs;
    const request = this.#requestOf(asked);
    let problem = 'nobody answered';
    for (;;) {
      const left = end - this.#clock.monotonic();
      if (left <= 0) return { decision: 'deny', reason: `${problem} within ${Math.round(asked.waitMs / 1000)} s` };
      try {
        return answerOf(await this.#await(request, left, signal));
      } catch (error) {
        if (signal.aborted) {
          this.#withdraw(asked.id);
          throw signal.reason;
        }
        problem =
          end <= this.#clock.monotonic()
            ? problem
            : `the control plane is away (${errorText(error)}) and nobody answered`;
        this.#log.debug({ id: asked.id, error: errorText(error) }, 'approval not asked');
        await this.#clock
          .sleep(Math.min(PAUSE_MS, Math.max(1, end - this.#clock.monotonic())), signal)
          .catch(() => undefined);
      }
    }
  };

  #await(request: AwaitRequest, leftMs: number, signal: AbortSignal): Promise<AwaitResponse> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const call = this.#service.await(
        request,
        new Metadata(),
        { deadline: Date.now() + leftMs },
        (error, response) => {
          signal.removeEventListener('abort', abort);
          if (error) reject(error);
          else resolve(response);
        },
      );
      const abort = (): void => call.cancel();
      signal.addEventListener('abort', abort, { once: true });
    });
  }

  #withdraw(id: string): void {
    unary((...call) => this.#service.withdraw({ id, node: this.#node }, ...call)).catch((error: unknown) =>
      this.#log.debug({ id, error: errorText(error) }, 'approval not withdrawn'),
    );
  }

  #requestOf({ id, call, text, verdict, waitMs }: AskedPeople): AwaitRequest {
    return {
      id,
      node: this.#node,
      hook: verdict.hook,
      dialect: call.dialect,
      session: short(call.session),
      agent: short(call.agent),
      tool: short(call.tool),
      asked: short(text),
      cwd: short(call.cwd),
      reason: short(verdict.reason),
      risk: verdict.risk ?? '',
      waitMs: BigInt(Math.ceil(waitMs)),
    };
  }
}

function short(text: string): string {
  return text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}… (${text.length} characters)` : text;
}

function answerOf({ state, who, why }: AwaitResponse): PersonAnswer {
  const said = why === '' ? '' : `: ${why}`;
  switch (state) {
    case ApprovalState.APPROVAL_STATE_APPROVED:
      return { decision: 'allow', reason: `approved by ${who}${said}` };
    case ApprovalState.APPROVAL_STATE_REJECTED:
      return { decision: 'deny', reason: `rejected by ${who}${said}` };
    case ApprovalState.APPROVAL_STATE_EXPIRED:
      return { decision: 'deny', reason: 'nobody answered in time' };
    case ApprovalState.APPROVAL_STATE_WITHDRAWN:
      return { decision: 'deny', reason: 'the question was withdrawn' };
    default:
      throw new AppError('PEER_UNAVAILABLE', `the control plane answered with the state ${state}`);
  }
}

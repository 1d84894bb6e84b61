/** ClaimService: operations of a stream go to the store in batches, answers to the stream of their holder. */
import type { ServerDuplexStream } from '@grpc/grpc-js';

import { type AddressedAnswer, AppError, type ClaimAnswer, type Log } from '#core';
import { ClaimRequest, type ClaimResponse, ClaimServiceService, convert } from '#proto';

import { decodeRequest, endWithError, type GrpcService, readRequests } from './server.ts';
import type { Store } from './store/index.ts';

/** Operations of one stream that may be at the store at once; it is not read on until some are answered. */
const MAX_UNANSWERED = 20_000;

type Call = ServerDuplexStream<Buffer, ClaimResponse>;

interface ClaimStream {
  readonly call: Call;
  holder: string;
  /** False until answers meant for an earlier stream of this holder have passed. */
  receiving: boolean;
  ended: boolean;
  unanswered: number;
  outbox: ClaimAnswer[];
  /** Called when operations were answered or the client read on. */
  wake: () => void;
}

/** Takes the store's claim listeners for itself. */
export function createClaimService(store: Store, log: Log): GrpcService {
  const streams = new Map<string, ClaimStream>();

  const route = (answers: readonly AddressedAnswer[]): void => {
    for (const { holder, answer } of answers) {
      const stream = streams.get(holder);
      if (stream?.receiving) send(stream, answer);
    }
  };
  const leave = (stream: ClaimStream): void => {
    stream.ended = true;
    stream.wake();
    if (streams.get(stream.holder) !== stream) return;
    streams.delete(stream.holder);
    store.forgetWaiters(stream.holder).catch((error: unknown) => log.debug({ error }, 'waiters not forgotten'));
  };
  const fail = (stream: ClaimStream, error: unknown): void => {
    if (stream.ended) return;
    leave(stream);
    endWithError(stream.call, error, log);
  };
  const join = (stream: ClaimStream, holder: string): void => {
    if (holder === '') throw new AppError('MESSAGE_INVALID', 'first claim request names no sidecar_id');
    const earlier = streams.get(holder);
    stream.holder = holder;
    streams.set(holder, stream);
    if (earlier) fail(earlier, new AppError('STATE_ILLEGAL', `a newer claim stream of sidecar ${holder} took over`));
    const joined = (): void => {
      stream.receiving = true;
      // The greeting: an empty response tells the sidecar that somebody answers.
      if (!stream.ended) stream.call.write({ answers: [] });
    };
    store.forgetWaiters(holder).then(joined, (error: unknown) => fail(stream, error));
  };
  const receive = (stream: ClaimStream, bytes: Buffer): void => {
    const { sidecarId, operations } = decodeRequest(ClaimRequest, bytes);
    if (stream.holder === '') join(stream, sidecarId);
    if (operations.length === 0) return;
    const { holder } = stream;
    const requests = operations.map((from) => ({ holder, operation: convert.claimOperationFromProto(from) }));
    stream.unanswered += requests.length;
    const answered = (answers: readonly AddressedAnswer[]): void => {
      route(answers);
      stream.unanswered -= requests.length;
      stream.wake();
    };
    store.claim(requests).then(answered, (error: unknown) => fail(stream, error));
  };

  const serve = async (call: Call): Promise<void> => {
    const stream: ClaimStream = { call, ...NEW_STREAM, outbox: [] };
    call.on('drain', () => stream.wake()).on('cancelled', () => stream.wake());
    try {
      await readRequests(call, async (bytes) => {
        receive(stream, bytes);
        while (!stream.ended && isBusy(stream)) await wokenUp(stream);
      });
      while (!stream.ended && !call.cancelled && stream.unanswered > 0) await wokenUp(stream);
      flush(stream);
      if (!stream.ended) call.end();
      leave(stream);
    } catch (error) {
      fail(stream, error);
    }
  };

  store.onClaimAnswers(route);
  store.onClaimsReset(() => {
    const error = new AppError('STORE_FAILED', 'claims were not stored; ask again');
    for (const stream of streams.values()) fail(stream, error);
  });
  return { definition, implementation: { claim: (call: Call) => void serve(call) } };
}

const NEW_STREAM = { holder: '', receiving: false, ended: false, unanswered: 0, wake: () => undefined };

/** Requests stay bytes until they are in our hands, so that a broken one is answered by us. */
const definition = {
  claim: { ...ClaimServiceService.claim, requestDeserialize: (bytes: Buffer): Buffer => bytes },
};

/** Answers of one turn of the event loop leave as one response. */
function send(stream: ClaimStream, answer: ClaimAnswer): void {
  if (stream.outbox.length === 0) setImmediate(() => flush(stream));
  stream.outbox.push(answer);
}

function flush(stream: ClaimStream): void {
  const answers = stream.outbox.map(convert.claimAnswerToProto);
  stream.outbox = [];
  if (answers.length > 0 && !stream.ended && !stream.call.cancelled) stream.call.write({ answers });
}

function isBusy({ unanswered, call }: ClaimStream): boolean {
  return !call.cancelled && (unanswered > MAX_UNANSWERED || call.writableNeedDrain);
}

function wokenUp(stream: ClaimStream): Promise<void> {
  return new Promise((resolve) => {
    stream.wake = resolve;
  });
}

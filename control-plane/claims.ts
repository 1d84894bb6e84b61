/** ClaimService: operations of a stream go to the store in batches, answers to the stream of their holder. */
import type { ServerDuplexStream } from '@grpc/grpc-js';

import { AppError, type Log } from '#core';
import { ClaimRequest, ClaimServiceService } from '#proto';

import { scopedId } from './identity/authenticate.ts';
import { decodeRequest, endWithError, type GrpcService, readRequests } from './server.ts';
import type { ClaimResponseOf, Store } from './store/index.ts';

/** Of requests of one stream that may be at the store at once; it is not read on until some are answered. */
const MAX_UNANSWERED_BYTES = 1 << 20;

type Call = ServerDuplexStream<Buffer, Uint8Array>;

interface ClaimStream {
  readonly call: Call;
  holder: string;
  /** False until answers meant for an earlier stream of this holder have passed. */
  receiving: boolean;
  ended: boolean;
  unansweredBytes: number;
  /** Encoded responses. */
  outbox: Uint8Array[];
  /** Called when requests were answered or the client read on. */
  wake: () => void;
}

/** Takes the store's claim listeners for itself. */
export function createClaimService(store: Store, log: Log): GrpcService {
  const streams = new Map<string, ClaimStream>();

  const route = (responses: readonly ClaimResponseOf[]): void => {
    for (const { holder, response } of responses) {
      const stream = streams.get(holder);
      if (stream?.receiving) send(stream, response);
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
      if (!stream.ended) stream.call.write(GREETING);
    };
    store.forgetWaiters(holder).then(joined, (error: unknown) => fail(stream, error));
  };
  const receive = (stream: ClaimStream, bytes: Buffer): void => {
    if (stream.holder === '') {
      const { sidecarId, operations } = decodeRequest(ClaimRequest, bytes);
      join(stream, scopedId(stream.call.metadata, sidecarId));
      if (operations.length === 0) return;
    }
    stream.unansweredBytes += bytes.length;
    const answered = (responses: readonly ClaimResponseOf[]): void => {
      route(responses);
      stream.unansweredBytes -= bytes.length;
      stream.wake();
    };
    store.claim(stream.holder, bytes).then(answered, (error: unknown) => fail(stream, error));
  };

  const serve = async (call: Call): Promise<void> => {
    const stream: ClaimStream = { call, ...NEW_STREAM, outbox: [] };
    call.on('drain', () => stream.wake()).on('cancelled', () => stream.wake());
    try {
      await readRequests(call, async (bytes) => {
        receive(stream, bytes);
        while (!stream.ended && isBusy(stream)) await wokenUp(stream);
      });
      while (!stream.ended && !call.cancelled && stream.unansweredBytes > 0) await wokenUp(stream);
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

const NEW_STREAM = { holder: '', receiving: false, ended: false, unansweredBytes: 0, wake: () => undefined };

/** Requests and responses pass as bytes: the store's thread alone makes objects of them. */
const definition = {
  claim: {
    ...ClaimServiceService.claim,
    requestDeserialize: (bytes: Buffer): Buffer => bytes,
    responseSerialize: (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
  },
};

const GREETING = new Uint8Array();

/** Answers of one turn of the event loop leave as one response. */
function send(stream: ClaimStream, response: Uint8Array): void {
  if (stream.outbox.length === 0) setImmediate(() => flush(stream));
  stream.outbox.push(response);
}

/** Encoded messages one after the other are one message: what is repeated in them is added up. */
function flush(stream: ClaimStream): void {
  const { outbox, ended, call } = stream;
  stream.outbox = [];
  if (outbox.length > 0 && !ended && !call.cancelled) call.write(Buffer.concat(outbox));
}

function isBusy({ unansweredBytes, call }: ClaimStream): boolean {
  return !call.cancelled && (unansweredBytes > MAX_UNANSWERED_BYTES || call.writableNeedDrain);
}

function wokenUp(stream: ClaimStream): Promise<void> {
  return new Promise((resolve) => {
    stream.wake = resolve;
  });
}

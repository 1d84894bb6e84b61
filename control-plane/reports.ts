/** ReportService: what sidecars tell is stored, then acknowledged by sequence. */
import type { ServerDuplexStream } from '@grpc/grpc-js';

import { AppError, type Log } from '#core';
import { convert, PublishRequest, type PublishResponse, ReportServiceService } from '#proto';

import { decodeRequest, endWithError, type GrpcService } from './server.ts';
import type { Store } from './store/index.ts';

/** Bytes of one stream that may be unstored; beyond, it is not read on. */
const MAX_UNSTORED_BYTES = 8 * 2 ** 20;

type Call = ServerDuplexStream<Buffer, PublishResponse>;

export function createReportService(store: Store, log: Log): GrpcService {
  const serve = async (call: Call): Promise<void> => {
    let ended = false;
    const fail = (error: unknown): void => {
      if (!ended && !call.cancelled) endWithError(call, error, log);
      ended = true;
    };
    try {
      await publish(call, store, () => ended, fail);
      if (!ended) call.end();
    } catch (error) {
      fail(error);
    }
  };
  return { definition, implementation: { publish: (call: Call) => void serve(call) } };
}

const definition = {
  publish: { ...ReportServiceService.publish, requestDeserialize: (bytes: Buffer): Buffer => bytes },
};

/** Reads until the sidecar ends; several batches are at the store at once, in order, so that they share a commit. */
async function publish(
  call: Call,
  store: Store,
  hasEnded: () => boolean,
  fail: (error: unknown) => void,
): Promise<void> {
  let from: { readonly sidecarId: string; readonly node: string } | null = null;
  let unstoredBytes = 0;
  let last: Promise<void> = Promise.resolve();

  for await (const bytes of call.iterator({ destroyOnReturn: false })) {
    if (hasEnded()) return;
    const request = decodeRequest(PublishRequest, bytes);
    if (from === null) {
      const { sidecarId, node } = request;
      if (sidecarId === '' || node === '')
        throw new AppError('MESSAGE_INVALID', 'first report names no sidecar_id or no node');
      from = { sidecarId, node };
      call.write({ storedSequence: BigInt(await store.storedSequence(sidecarId)) });
    }
    const batch = convert.reportFromProto(request);
    if (isEmpty(request)) continue;
    unstoredBytes += bytes.length;
    const acknowledge = (stored: number): void => {
      unstoredBytes -= bytes.length;
      if (!hasEnded()) call.write({ storedSequence: BigInt(stored) });
    };
    last = store.report(from.sidecarId, from.node, batch).then(acknowledge, fail);
    if (unstoredBytes > MAX_UNSTORED_BYTES) await last;
  }
  await last;
}

function isEmpty({ events, outcomes, progress, ledger }: PublishRequest): boolean {
  return events.length + outcomes.length + progress.length === 0 && ledger === undefined;
}

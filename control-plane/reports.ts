/** ReportService: what sidecars tell is stored, then acknowledged by sequence. */
import type { Metadata, ServerDuplexStream } from '@grpc/grpc-js';

import type { Span } from '@opentelemetry/api';

import { AppError, ATTRIBUTE, endDefect, type Log, type ReportBatch, type SourceHealth, SPAN, startSpan } from '#core';
import { convert, PublishRequest, type PublishResponse, ReportServiceService } from '#proto';

import { checkNode, scopedId } from './identity/authenticate.ts';
import { decodeRequest, endWithError, type GrpcService, readRequests } from './server.ts';
import type { Store } from './store/index.ts';

/** Bytes of one stream that may be unstored; beyond, it is not read on. */
const MAX_UNSTORED_BYTES = 8 * 2 ** 20;

type Call = ServerDuplexStream<Buffer, PublishResponse>;

export interface ReportListeners {
  /** What a sidecar's sources say of themselves, also when the store cannot take it. */
  readonly onHealth?: OnHealth;
  /** Each batch once it is stored. */
  readonly onStored?: (batch: ReportBatch, sidecarId: string) => void;
}

export function createReportService(
  store: Store,
  log: Log,
  { onHealth = () => undefined, onStored = () => undefined }: ReportListeners = {},
): GrpcService {
  const serve = async (call: Call): Promise<void> => {
    let ended = false;
    const fail = (error: unknown): void => {
      if (!ended && !call.cancelled) endWithError(call, error, log);
      ended = true;
    };
    const acknowledge = (stored: number): void => {
      if (!ended && !call.cancelled) call.write({ storedSequence: BigInt(stored) });
    };
    const receiver = createReceiver(store, call.metadata, { acknowledge, fail, onHealth, onStored });
    try {
      await readRequests(call, (bytes) => receiver.receive(bytes));
      await receiver.allStored();
      if (!ended) call.end();
    } catch (error) {
      fail(error);
    }
  };
  return { definition, implementation: { publish: (call: Call) => void serve(call) } };
}

export type OnHealth = (sidecarId: string, health: readonly SourceHealth[]) => void;

interface Told {
  readonly acknowledge: (stored: number) => void;
  readonly fail: (error: unknown) => void;
  readonly onHealth: OnHealth;
  readonly onStored: (batch: ReportBatch, sidecarId: string) => void;
}

const definition = {
  publish: { ...ReportServiceService.publish, requestDeserialize: (bytes: Buffer): Buffer => bytes },
};

/** Several batches of a stream are at the store at once, in order, so that they share a commit. */
function createReceiver(store: Store, metadata: Metadata, { acknowledge, fail, onHealth, onStored }: Told) {
  let from: Sender | null = null;
  let unstoredBytes = 0;
  let last: Promise<void> = Promise.resolve();

  return {
    async receive(bytes: Buffer): Promise<void> {
      const request = decodeRequest(PublishRequest, bytes);
      const batch = convert.reportFromProto(request);
      if (from === null) {
        from = senderOf(request, metadata);
        acknowledge(await store.resumeReports(from.sidecarId, from.node, Number(request.acknowledgedSequence)));
      }
      if (isEmpty(request)) return;
      for (const event of batch.events) checkNode(metadata, event.node);
      if (batch.ledger) onHealth(from.sidecarId, batch.ledger.health);
      const { sidecarId } = from;
      const spans = storeSpans(batch, from.node);
      const stored = (sequence: number): void => {
        unstoredBytes -= bytes.length;
        onStored(batch, sidecarId);
        acknowledge(sequence);
        for (const span of spans) span.end();
      };
      const failed = (error: unknown): void => {
        for (const span of spans) endDefect(span, error);
        fail(error);
      };
      unstoredBytes += bytes.length;
      last = store.report(from.sidecarId, from.node, batch).then(stored, failed);
      if (unstoredBytes > MAX_UNSTORED_BYTES) await last;
    },
    allStored: () => last,
  };
}

/** One span for each outcome of a traced event, in the trace of that event. */
function storeSpans({ events, outcomes }: ReportBatch, node: string): Span[] {
  const traced = new Map(
    events.flatMap(({ id, traceparent }) => (traceparent === undefined ? [] : [[id, traceparent]])),
  );
  if (traced.size === 0) return [];
  return outcomes.map(({ eventId, hook, outcome }) => {
    const attributes = {
      [ATTRIBUTE.eventId]: eventId,
      [ATTRIBUTE.hook]: hook,
      [ATTRIBUTE.result]: outcome,
      [ATTRIBUTE.node]: node,
    };
    return startSpan(SPAN.store, attributes, traced.get(eventId));
  });
}

interface Sender {
  readonly sidecarId: string;
  readonly node: string;
}

function senderOf({ sidecarId, node }: PublishRequest, metadata: Metadata): Sender {
  checkNode(metadata, node);
  if (sidecarId !== '' && node !== '') return { sidecarId: scopedId(metadata, sidecarId), node };
  throw new AppError('MESSAGE_INVALID', 'first report names no sidecar_id or no node');
}

function isEmpty({ events, outcomes, progress, ledger }: PublishRequest): boolean {
  return events.length + outcomes.length + progress.length === 0 && ledger === undefined;
}

/** How events, outcomes and ledgers lie in the database: as the wire has them, one in a `PublishRequest`. */
import type { Ledger, OutcomeRecord, ReportBatch, TrotlineEvent } from '#core';
import { AppError } from '#core';
import { convert, PublishRequest } from '#proto';

export const packEvent = (event: TrotlineEvent): Uint8Array => pack({ events: [event] });
export const packOutcome = (outcome: OutcomeRecord): Uint8Array => pack({ outcomes: [outcome] });
export const packLedger = (ledger: Ledger): Uint8Array => pack({ ledger });

export const unpackEvent = (record: Uint8Array): TrotlineEvent => present(unpack(record).events[0], 'event');
export const unpackOutcome = (record: Uint8Array): OutcomeRecord => present(unpack(record).outcomes[0], 'outcome');
export const unpackLedger = (record: Uint8Array): Ledger => present(unpack(record).ledger, 'ledger');

const EMPTY: ReportBatch = { events: [], outcomes: [], progress: [], ledger: null };

function pack(part: Partial<ReportBatch>): Uint8Array {
  return PublishRequest.encode(convert.reportToProto({ ...EMPTY, ...part }, '', '')).finish();
}

function unpack(record: Uint8Array): ReportBatch {
  return convert.reportFromProto(PublishRequest.decode(record));
}

function present<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined)
    throw new AppError('STORE_FAILED', `store holds a record without its ${what}`);
  return value;
}

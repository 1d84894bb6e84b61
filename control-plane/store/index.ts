export { createStore, type StoreOptions } from './client.ts';
export { DEFAULT_RETENTION, type Retention } from './retention.ts';
export type {
  AuditRecord,
  ClaimResponseOf,
  EventDetail,
  EventQuery,
  EventSummary,
  HookOutcome,
  HookStats,
  Joined,
  Joining,
  Members,
  News,
  NodeLedger,
  Override,
  Store,
} from './types.ts';

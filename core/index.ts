export {
  AGENT_EVENT_TYPES,
  AGENT_EVENTS,
  type AgentCall,
  agentDraft,
  agentEventType,
  type AgentPeer,
  commandOf,
  CALLER_REFUSED,
  HOOK_BYPASSED,
  HOOK_TYPES,
  type HookType,
  NO_PEER,
  pathOf,
  SESSION_EXPIRED,
  urlOf,
} from './agent.ts';
export {
  aggregate,
  type Aggregated,
  type AggregatedEvent,
  type Aggregation,
  AggregationRule,
  type Aggregations,
  aggregationsOf,
  isAggregated,
  isSuccess,
  type ToolCount,
  toolCounts,
} from './aggregate.ts';
export { parseArguments } from './arguments.ts';
export {
  type AddressedAnswer,
  type ClaimAnswer,
  type ClaimChange,
  type ClaimOperation,
  type ClaimRow,
  ClaimTable,
  LEASE_MS,
  REJECTED_WINDOW_MS,
} from './claim.ts';
export { BATCH_SIZE, BATCH_WAIT_MS, Batcher, type BatcherOptions } from './batcher.ts';
export { type CompileCel, loadCel } from './cel/index.ts';
export { abortReason, type Clock, sleepOn, systemClock } from './clock.ts';
export { whenAborted } from './when-aborted.ts';
export { placeInExcerpt, readDocuments, type SourceDocument } from './documents.ts';
export { eventHookDefinition, khookDefinition } from './custom-resources.ts';
export { durationMs, durationText } from './duration.ts';
export {
  AppError,
  type AppErrorOptions,
  ConfigError,
  ERROR_CODES,
  type ErrorCode,
  errorText,
  type Issue,
  wrapAt,
} from './errors.ts';
export {
  API_VERSION,
  approvalOf,
  canonicalJson,
  createHook,
  dedupKey,
  digestOf,
  EventHookDocument,
  EventHookSpec,
  type Hook,
  type HookForm,
  hookId,
  isHookForm,
  loopOf,
  onFailure,
  type Origin,
  OWN_NAMESPACE,
  whenUncoordinated,
} from './event-hook.ts';
export {
  type Attributes,
  cloudEvent,
  type CloudEventJson,
  type EventDraft,
  type EventFields,
  type Scalar,
  type TrotlineEvent,
} from './event.ts';
export {
  caret,
  compileCondition,
  compileConditionInTurns,
  type Condition,
  type Explanation,
  FIELDS,
  FilterError,
} from './filter/index.ts';
export { type CheckedSpec, checkHookSpec, type Vocabulary, withCel } from './hook-check.ts';
export { type ReadHooks, readHookFile, type RefusedHook, refuseDuplicates } from './hook-documents.ts';
export {
  imageProblem,
  type ImageReference,
  imageRepository,
  imageText,
  isImageBelow,
  isImagePrefix,
  parseImage,
} from './image-reference.ts';
export { eventHookJsonSchema } from './json-schema.ts';
export { type Handover, Lease, LEASE_NAME, type LeaseApi } from './lease.ts';
export { linesOf } from './lines.ts';
export { type Component, Lifecycle, type State, Supervisor } from './lifecycle.ts';
export { createBoundedLog, createLog, createLogTo, flushLogs, type Log, type LogLevel } from './log.ts';
export { ATTRIBUTE, SPAN, TRACER } from './names.ts';
export {
  Counter,
  counter,
  gauge,
  Histogram,
  histogram,
  type Labels,
  type MetricFamily,
  metricText,
  type Sample,
} from './metric-text.ts';
export { compilePattern, PatternError, type TextTest } from './filter/pattern.ts';
export { oneLine } from './one-line.ts';
export { createRedact, type Redact, REDACTED_TEXT, type RedactionOptions } from './redaction.ts';
export { didYouMean, nearest } from './nearest.ts';
export {
  type Action,
  type ActionContext,
  type ActionDefinition,
  type Asked,
  type Attempt,
  defineAction,
  defineSource,
  type Ended,
  type Health,
  type ClusterKeySet,
  type Inquiry,
  type LimitName,
  type CgroupLimits,
  type Connection,
  type ContextFetch,
  MAX_REMEMBERED,
  type Program,
  type Result,
  type ResultDetail,
  type SourceContext,
  type SourceDefinition,
  type SourceMemory,
  type Stability,
} from './plugin.ts';
export { listenPlace, Probes, LISTEN_ADDRESS, type ProbesOptions } from './probes.ts';
export {
  ATTEMPT_STATUSES,
  type AttemptRecord,
  type AttemptStatus,
  EXPIRY,
  type HookLedger,
  type Ledger,
  ledgerName,
  type OutcomeName,
  type OutcomeRecord,
  OUTCOMES,
  type ProgressRecord,
  type ReportBatch,
  type SourceHealth,
  type SourceLedger,
  type UnknownRange,
} from './report.ts';
export { KHOOK_API_VERSION, KhookDocument, KhookSpec } from './khook-form.ts';
export { isObject, objectOf, pointerKey, textOf } from './pointer.ts';
export {
  checkConfig,
  Choice,
  Duration,
  type Infer,
  type ObjectSchema,
  parseConfig,
  type Schema,
  Type,
} from './schema.ts';
export { endDefect, startSpan, traceparentOf, withSpan } from './spans.ts';
export { VERSION } from './version.ts';
export { startTelemetry, type Telemetry, wantsTraces } from './telemetry.ts';
export { expandTemplate, type Placeholder, PLACEHOLDERS, templateProblem } from './template.ts';
export {
  type Approval,
  type Decision,
  DECISIONS,
  type AskedPeople,
  type HookJudgment,
  type Judgment,
  type PersonAnswer,
  type Question,
  type Risk,
  riskRank,
  RISKS,
  strictest,
  type Verdict,
  withInput,
} from './verdict.ts';

/** Where wire meets domain (claims on their fast way: claim-wire.ts). `…FromProto` validates and throws; nothing behind it checks again. */
import {
  AppError,
  ATTEMPT_STATUSES,
  type AttemptRecord,
  type Attributes,
  type ClaimAnswer,
  type ClaimOperation,
  createHook,
  EventHookSpec,
  type Hook,
  isHookForm,
  type HookLedger,
  type Ledger,
  type OutcomeRecord,
  OUTCOMES,
  parseConfig,
  type ProgressRecord,
  type ReportBatch,
  type Scalar,
  type SourceHealth,
  type SourceLedger,
  type TrotlineEvent,
} from '#core';

import type * as claim from './gen/trotline/v1/claim.ts';
import type * as config from './gen/trotline/v1/config.ts';
import type * as event from './gen/trotline/v1/event.ts';
import type * as report from './gen/trotline/v1/report.ts';

export function eventToProto(from: TrotlineEvent): event.Event {
  const attributes: Record<string, event.Scalar> = {};
  for (const [name, value] of Object.entries(from.attributes)) {
    if (value !== undefined) attributes[name] = scalarToProto(value);
  }
  return {
    id: from.id,
    source: from.source,
    node: from.node,
    life: from.life,
    type: from.type,
    subject: from.subject,
    timeMs: BigInt(Math.trunc(from.time)),
    sequence: BigInt(from.sequence),
    interface: from.interface,
    namespace: from.namespace,
    messageType: from.messageType,
    eventType: from.eventType,
    traceparent: from.traceparent ?? '',
    attributes,
    synthetic: from.synthetic,
  };
}

export function eventFromProto(from: event.Event): TrotlineEvent {
  if (from.id === '' || from.type === '') throw invalid('event', 'has no id or no type');
  const attributes: Record<string, Scalar> = {};
  for (const [name, value] of Object.entries(from.attributes)) attributes[name] = scalarFromProto(value, name);
  return {
    id: from.id,
    source: from.source,
    node: from.node,
    life: from.life,
    type: from.type,
    subject: from.subject,
    time: toNumber(from.timeMs),
    sequence: toNumber(from.sequence),
    interface: from.interface,
    namespace: from.namespace,
    messageType: from.messageType,
    eventType: from.eventType,
    attributes: attributes satisfies Attributes,
    synthetic: from.synthetic,
    ...(from.traceparent === '' ? {} : { traceparent: from.traceparent }),
  };
}

function scalarToProto(value: Scalar): event.Scalar {
  switch (typeof value) {
    case 'string':
      return { value: { $case: 'text', value } };
    case 'boolean':
      return { value: { $case: 'flag', value } };
    case 'bigint':
      return { value: { $case: 'integer', value } };
    default:
      return Number.isSafeInteger(value)
        ? { value: { $case: 'integer', value: BigInt(value) } }
        : { value: { $case: 'number', value } };
  }
}

function scalarFromProto({ value }: event.Scalar, name: string): Scalar {
  if (!value) throw invalid(`attribute ${name}`, 'has no value');
  if (value.$case !== 'integer') return value.value;
  const number = Number(value.value);
  return Number.isSafeInteger(number) ? number : value.value;
}

export function hookToProto(hook: Hook): config.Hook {
  const { namespace, name, form, digest, spec } = hook;
  return { namespace, name, form, digest, specJson: JSON.stringify(spec) };
}

/** Throws a ConfigError when the spec is not one, MESSAGE_INVALID when it is no JSON. */
export function hookFromProto(from: config.Hook): Hook {
  const { namespace, name, form } = from;
  if (namespace === '' || name === '') throw invalid('hook', 'has no namespace or no name');
  if (!isHookForm(form)) throw invalid(`hook ${namespace}/${name}`, `has the unknown form "${form}"`);
  const spec = parseConfig(
    EventHookSpec,
    parseJson(from.specJson, `hook ${namespace}/${name}`),
    `hook ${namespace}/${name}`,
  );
  return createHook({ namespace, name, form, spec, origin: null });
}

export function claimOperationToProto(from: ClaimOperation): claim.ClaimOperation {
  const head = { id: BigInt(from.id), key: from.key };
  switch (from.kind) {
    case 'acquire':
      return { ...head, operation: { $case: 'acquire', value: {} } };
    case 'complete':
      return {
        ...head,
        operation: { $case: 'complete', value: { fence: BigInt(from.fence), windowMs: BigInt(from.windowMs) } },
      };
    case 'settle':
      return {
        ...head,
        operation: { $case: 'settle', value: { windowMs: BigInt(from.windowMs), ageMs: BigInt(from.ageMs) } },
      };
    case 'cancel':
      return { ...head, operation: { $case: 'cancel', value: { acquireId: BigInt(from.acquireId) } } };
    default:
      return { ...head, operation: { $case: from.kind, value: { fence: BigInt(from.fence) } } };
  }
}

export function claimOperationFromProto(from: claim.ClaimOperation): ClaimOperation {
  const { operation } = from;
  const head = { id: toNumber(from.id), key: from.key };
  if (from.key === '' || !operation) throw invalid('claim operation', 'has no key or no operation');
  switch (operation.$case) {
    case 'acquire':
      return { kind: 'acquire', ...head };
    case 'complete':
      return {
        kind: 'complete',
        ...head,
        fence: toNumber(operation.value.fence),
        windowMs: toNumber(operation.value.windowMs),
      };
    case 'settle':
      return {
        kind: 'settle',
        ...head,
        windowMs: toNumber(operation.value.windowMs),
        ageMs: toNumber(operation.value.ageMs),
      };
    case 'cancel':
      return { kind: 'cancel', ...head, acquireId: toNumber(operation.value.acquireId) };
    default:
      return { kind: operation.$case, ...head, fence: toNumber(operation.value.fence) };
  }
}

export function claimAnswerToProto(from: ClaimAnswer): claim.ClaimAnswer {
  const id = BigInt(from.id);
  switch (from.kind) {
    case 'granted':
      return {
        id,
        answer: { $case: 'granted', value: { fence: BigInt(from.fence), leaseMs: BigInt(Math.ceil(from.leaseMs)) } },
      };
    case 'held':
      return { id, answer: { $case: 'held', value: { leaseMs: BigInt(Math.ceil(from.leaseMs)) } } };
    case 'done':
      return { id, answer: { $case: 'done', value: { remainingMs: BigInt(Math.ceil(from.remainingMs)) } } };
    case 'accepted':
      return { id, answer: { $case: 'accepted', value: {} } };
    default:
      return { id, answer: { $case: 'refused', value: { fence: BigInt(from.fence) } } };
  }
}

export function claimAnswerFromProto({ id: wireId, answer }: claim.ClaimAnswer): ClaimAnswer {
  if (!answer) throw invalid('claim answer', 'is empty');
  const id = toNumber(wireId);
  switch (answer.$case) {
    case 'granted':
      return { kind: 'granted', id, fence: toNumber(answer.value.fence), leaseMs: toNumber(answer.value.leaseMs) };
    case 'held':
      return { kind: 'held', id, leaseMs: toNumber(answer.value.leaseMs) };
    case 'done':
      return { kind: 'done', id, remainingMs: toNumber(answer.value.remainingMs) };
    case 'accepted':
      return { kind: 'accepted', id };
    default:
      return { kind: 'refused', id, fence: toNumber(answer.value.fence) };
  }
}

/** `sidecarId` and `node` are '' in all but the first request of a stream. */
export function reportToProto(
  batch: ReportBatch,
  sidecarId: string,
  node: string,
  acknowledgedSequence = 0,
): report.PublishRequest {
  return {
    sidecarId,
    node,
    events: batch.events.map(eventToProto),
    outcomes: batch.outcomes.map((from) => ({
      ...from,
      sequence: BigInt(from.sequence),
      timeMs: BigInt(Math.trunc(from.timeMs)),
      attempts: from.attempts.map(attemptToProto),
    })),
    progress: batch.progress.map((from) => ({
      ...from,
      nextAttemptMs: BigInt(Math.trunc(from.nextAttemptMs)),
      attempts: from.attempts.map(attemptToProto),
    })),
    ledger: batch.ledger ? ledgerToProto(batch.ledger) : undefined,
    acknowledgedSequence: BigInt(acknowledgedSequence),
  };
}

export function reportFromProto(from: report.PublishRequest): ReportBatch {
  return {
    events: from.events.map(eventFromProto),
    outcomes: from.outcomes.map(outcomeFromProto),
    progress: from.progress.map(progressFromProto),
    ledger: from.ledger ? ledgerFromProto(from.ledger) : null,
  };
}

function attemptToProto(from: AttemptRecord): report.Attempt {
  return { ...from, startedMs: BigInt(Math.trunc(from.startedMs)) };
}

function attemptFromProto(from: report.Attempt): AttemptRecord {
  const status = oneOf(ATTEMPT_STATUSES, from.status, 'attempt status');
  return { ...from, status, startedMs: toNumber(from.startedMs) };
}

function outcomeFromProto(from: report.Outcome): OutcomeRecord {
  if (from.eventId === '' || from.hook === '') throw invalid('outcome', 'names no event or no hook');
  return {
    ...from,
    sequence: toNumber(from.sequence),
    outcome: oneOf(OUTCOMES, from.outcome, 'outcome'),
    timeMs: toNumber(from.timeMs),
    attempts: from.attempts.map(attemptFromProto),
  };
}

function progressFromProto(from: report.Progress): ProgressRecord {
  return { ...from, nextAttemptMs: toNumber(from.nextAttemptMs), attempts: from.attempts.map(attemptFromProto) };
}

function ledgerToProto(from: Ledger): report.Ledger {
  return {
    sources: from.sources.map(({ unknown, ...source }) => ({
      ...source,
      heard: BigInt(source.heard),
      unmatched: BigInt(source.unmatched),
      routed: BigInt(source.routed),
      lost: countsToProto(source.lost),
      unknownFrom: BigInt(unknown?.from ?? 0),
      unknownTo: BigInt(unknown?.to ?? 0),
    })),
    hooks: from.hooks.map((hook) => ({
      hook: hook.hook,
      routed: BigInt(hook.routed),
      pending: BigInt(hook.pending),
      outcomes: countsToProto(hook.outcomes),
    })),
    outcomeSequence: BigInt(from.outcomeSequence),
    health: from.health.map(({ hears = '', ...health }) => ({ ...health, hears })),
  };
}

function ledgerFromProto(from: report.Ledger): Ledger {
  return {
    sources: from.sources.map(sourceLedgerFromProto),
    hooks: from.hooks.map((hook): HookLedger => ({
      hook: hook.hook,
      routed: toNumber(hook.routed),
      pending: toNumber(hook.pending),
      outcomes: countsFromProto(hook.outcomes),
    })),
    outcomeSequence: toNumber(from.outcomeSequence),
    health: from.health.map(({ source, status, reason, hears }): SourceHealth => ({
      source,
      status: oneOf(['ok', 'degraded', 'failed'], status, 'source health'),
      reason,
      ...(hears === '' ? {} : { hears }),
    })),
  };
}

function sourceLedgerFromProto(from: report.SourceLedger): SourceLedger {
  const to = toNumber(from.unknownTo);
  return {
    source: from.source,
    life: from.life,
    heard: toNumber(from.heard),
    unmatched: toNumber(from.unmatched),
    routed: toNumber(from.routed),
    lost: countsFromProto(from.lost),
    unknown: from.unknownFrom === 0n ? null : { from: toNumber(from.unknownFrom), to: to === 0 ? null : to },
  };
}

function countsToProto(counts: Readonly<Record<string, number>>): Record<string, bigint> {
  return Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, BigInt(count)]));
}

function countsFromProto(counts: Record<string, bigint>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, toNumber(count)]));
}

function oneOf<const T extends string>(words: readonly T[], word: string, what: string): T {
  const found = words.find((known) => known === word);
  if (found === undefined) throw invalid(what, `"${word}" is none of ${words.join(', ')}`);
  return found;
}

function toNumber(value: bigint): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw invalid('number', `${value} is beyond 2^53`);
  return number;
}

function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new AppError('MESSAGE_INVALID', `${what} is no JSON`, { cause });
  }
}

function invalid(what: string, problem: string): AppError {
  return new AppError('MESSAGE_INVALID', `${what} ${problem}`);
}

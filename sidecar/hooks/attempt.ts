import { createHash } from 'node:crypto';

import {
  AppError,
  ATTRIBUTE,
  type Attempt,
  type AttemptRecord,
  type AttemptStatus,
  type Clock,
  endDefect,
  errorText,
  type Log,
  MAX_REMEMBERED,
  type Result,
  SPAN,
  startSpan,
  traceparentOf,
  type TrotlineEvent,
  whenAborted,
} from '#core';

import type { Entry } from '../journal/entry.ts';
import type { Journal } from '../journal/journal.ts';
import type { ActionInstance } from './runtime.ts';

/** For an action to end after its signal aborted. */
const GRACE_MS = 1000;

export interface AttemptDeps {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Log;
}

export interface AttemptEnd {
  readonly record: AttemptRecord;
  /** Of a `retry`: the receiver asks for at least this pause. */
  readonly afterMs: number;
}

/** Stable over retries and restarts: a digest of hook, action and event (design section 6.4). */
export function deliveryId(
  hook: string,
  { index, type }: Pick<ActionInstance, 'index' | 'type'>,
  eventId: string,
): string {
  return createHash('sha256').update(`${hook}\n${index}\n${type}\n${eventId}`).digest('hex').slice(0, 32);
}

/**
 * One attempt: recorded as started before it touches the world. The caller records its end. An attempt whose signal
 * aborted is interrupted, unless it was delivered all the same.
 */
export async function makeAttempt(
  { journal, clock, log }: AttemptDeps,
  entry: Entry,
  event: TrotlineEvent,
  instance: ActionInstance,
  number: number,
  signal: AbortSignal,
): Promise<AttemptEnd> {
  const id = deliveryId(entry.hook, instance, entry.eventId);
  const startedMs = clock.now();
  const { index: action, type: actionType } = instance;
  await journal.started(entry, { action, actionType, number, deliveryId: id, startedMs });
  const span = startSpan(
    SPAN.attempt,
    {
      [ATTRIBUTE.hook]: entry.hook,
      [ATTRIBUTE.action]: actionType,
      [ATTRIBUTE.attempt]: number,
      [ATTRIBUTE.deliveryId]: id,
      [ATTRIBUTE.eventId]: entry.eventId,
    },
    event.traceparent,
  );
  const traceparent = traceparentOf(span);
  const startedAt = clock.monotonic();
  let result: Result;
  let cut: string | null = null;
  let defect: unknown = null;
  try {
    signal.throwIfAborted();
    const attempt = {
      deliveryId: id,
      number,
      hook: entry.hook,
      signal,
      ...memory(journal, entry, instance),
      ...(traceparent === undefined ? {} : { traceparent }),
    };
    result = await ended(instance.action.handle(event, attempt), signal, clock);
  } catch (error) {
    // A throw under an aborted signal is the abort, INTERRUPTED that the work was cut short; any other is a defect.
    if (isInterrupted(error)) cut = error.message;
    else if (!signal.aborted) defect = error;
    result = { status: 'rejected', reason: errorText(error) };
  }
  if (signal.aborted && result.status !== 'delivered') cut = errorText(signal.reason);
  const status: AttemptStatus = cut === null ? result.status : 'interrupted';
  const reason = cut ?? (result.status === 'delivered' ? '' : result.reason);
  span.setAttributes({ [ATTRIBUTE.result]: status, [ATTRIBUTE.reason]: reason });
  if (defect === null) span.end();
  else {
    log.error({ hook: entry.hook, action: actionType, error: defect }, 'action threw');
    endDefect(span, defect);
  }
  const record: AttemptRecord = {
    action,
    actionType,
    number,
    deliveryId: id,
    status,
    reason,
    detail: result.detail ?? '',
    output: result.output ?? '',
    timedOut: result.timedOut ?? false,
    startedMs,
    durationMs: clock.monotonic() - startedAt,
  };
  return { record, afterMs: result.status === 'retry' ? (result.afterMs ?? 0) : 0 };
}

/** What the attempts of one action tell each other, through the journal. */
function memory(
  journal: Journal,
  entry: Entry,
  { index, type }: ActionInstance,
): Pick<Attempt, 'remembered' | 'remember'> {
  const last = entry.remembered.find(({ action, actionType }) => action === index && actionType === type);
  return {
    remembered: last?.text ?? null,
    remember: async (text) => {
      if (text.length > MAX_REMEMBERED)
        throw new AppError('STATE_ILLEGAL', `${text.length} characters to remember, at most ${MAX_REMEMBERED}`);
      await journal.remember(entry, { action: index, actionType: type, text });
    },
  };
}

/** An action that does not heed its signal is not waited for any longer. */
function ended(result: Promise<Result>, signal: AbortSignal, clock: Clock): Promise<Result> {
  return new Promise((resolve, reject) => {
    let cancel: (() => void) | null = null;
    const unfollow = whenAborted(signal, () => {
      cancel = clock.after(GRACE_MS, () => reject(new Error('the action did not end')));
    });
    const end = (): void => {
      unfollow();
      cancel?.();
    };
    result.then(resolve, reject).finally(end);
  });
}

function isInterrupted(error: unknown): error is AppError {
  return error instanceof AppError && error.code === 'INTERRUPTED';
}

/** The end of an attempt that a crash cut short; how long it ran is not known: 0. */
export function interrupted(open: Entry['open'][number]): AttemptRecord {
  return {
    ...open,
    status: 'interrupted',
    reason: 'the sidecar ended during the attempt',
    detail: '',
    output: '',
    timedOut: false,
    durationMs: 0,
  };
}

/** The verdict path: what the hooks of this node say while an agent waits (design sections 2 and 7.4). */
import {
  AppError,
  approvalOf,
  type Asked,
  type AttemptRecord,
  canonicalJson,
  type Clock,
  errorText,
  type HookJudgment,
  type Judgment,
  type Log,
  onFailure,
  type Question,
  strictest,
  type Verdict,
  withInput,
} from '#core';

import { deliveryId } from './hooks/attempt.ts';
import type { HookSet } from './hooks/hook-set.ts';
import type { ActionInstance, HookRuntime } from './hooks/runtime.ts';
import { Places } from './places.ts';

/** An input that is rewritten more often than this has no end. */
const MAX_REWRITES = 4;
/** Characters of a reason that several hooks give. */
const LONGEST_REASON = 4000;

export interface VerdictsDeps {
  readonly hooks: Pick<HookSet, 'route' | 'get' | 'ready'>;
  /** audit: what hooks say is recorded and no agent is told; off: none is asked. */
  readonly mode: 'enforce' | 'audit' | 'off';
  readonly clock: Clock;
  readonly log: Log;
}

/** One action's word in one round. */
interface Said {
  readonly runtime: HookRuntime;
  readonly instance: ActionInstance;
  readonly judgment: Judgment;
  /** Why it could not judge; null: it could. */
  readonly failure: string | null;
  readonly record: AttemptRecord;
}

export class Verdicts {
  readonly #deps: VerdictsDeps;
  /** Judges have places of their own: a storm of events does not keep an agent waiting. */
  readonly #places = new Places();

  constructor(deps: VerdictsDeps) {
    this.#deps = deps;
  }

  /**
   * All matching hooks judge at the same time; the strictest decision counts. A rewritten input is judged again, by the hooks
   * that match it then. Resolves by the deadline: who has not judged by then is broken, and `onFailure` decides.
   */
  async judge(question: Question, deadlineMs: number): Promise<Verdict> {
    const { hooks, mode, clock } = this.#deps;
    if (mode === 'off') return { ...NO_OPINION, hook: '', approval: null, judged: [] };
    if (!hooks.ready) throw new AppError('PEER_UNAVAILABLE', 'this node has no hooks yet');
    const limit = new AbortController();
    const cancel = clock.after(deadlineMs, () => limit.abort(new Error(`no judgment in ${deadlineMs} ms`)));
    const records = new Map<string, Said>();
    let asked = question;
    try {
      for (let rewrites = 0; ; rewrites++) {
        const said = await this.#round(asked, limit.signal);
        for (const each of said) records.set(`${each.runtime.id}\n${each.instance.index}`, each);
        const verdict = together(said, mode);
        const input = verdict.decision === 'deny' ? undefined : verdict.updatedInput;
        const isNew = input !== undefined && canonicalJson(input) !== canonicalJson(asked.call.input);
        if (!isNew) return ended(verdict, asked, question, records);
        if (rewrites === MAX_REWRITES) return ended(endless(said), question, question, records);
        asked = withInput(asked, input);
      }
    } finally {
      cancel();
    }
  }

  async #round(question: Question, signal: AbortSignal): Promise<Said[]> {
    const said: Said[] = [];
    const pending: Promise<Said>[] = [];
    for (const { id } of this.#deps.hooks.route(question.event)) {
      const runtime = this.#deps.hooks.get(id);
      for (const instance of runtime?.actions ?? NONE) {
        if (!runtime || !instance.action.judge) continue;
        const answer = this.#ask(runtime, instance, question, signal);
        if (answer instanceof Promise) pending.push(answer);
        else said.push(answer);
      }
    }
    return pending.length === 0 ? said : [...said, ...(await Promise.all(pending))];
  }

  /** Never throws and never rejects. */
  #ask(runtime: HookRuntime, instance: ActionInstance, question: Question, signal: AbortSignal): Said | Promise<Said> {
    const { clock } = this.#deps;
    const startedMs = clock.now();
    const startedAt = clock.monotonic();
    const id = deliveryId(runtime.id, instance, question.event.id);
    const end = (judgment: Judgment, failure: string | null): Said => {
      const isAudit = this.#deps.mode === 'audit' || runtime.hook.spec.mode === 'audit';
      const record = recordOf(instance, { judgment, failure, id, startedMs, isAudit });
      return { runtime, instance, judgment, failure, record: { ...record, durationMs: clock.monotonic() - startedAt } };
    };
    const fail = (error: unknown): Said => {
      const reason = errorText(error);
      this.#deps.log.warn({ hook: runtime.id, action: instance.type, reason }, 'hook could not judge');
      return end(broken(runtime, reason), reason);
    };
    try {
      const asked = { hook: runtime.id, deliveryId: id, signal };
      const answer = instance.places
        ? this.#inPlace(instance, question, asked)
        : instance.action.judge?.(question, asked);
      if (answer instanceof Promise) return byDeadline(answer, signal).then((judgment) => end(judgment, null), fail);
      return end(answer ?? NO_OPINION, null);
    } catch (error) {
      return fail(error);
    }
  }

  async #inPlace({ places, action }: ActionInstance, question: Question, asked: Asked): Promise<Judgment> {
    const leave = places ? await this.#places.enter(places.of, places.count, asked.signal) : () => undefined;
    try {
      return (await action.judge?.(question, asked)) ?? NO_OPINION;
    } finally {
      leave();
    }
  }
}

const NONE: readonly ActionInstance[] = [];
const NO_OPINION: Judgment = { decision: null, reason: '' };

/** A judge that does not heed its signal is not waited for. */
function byDeadline(answer: Promise<Judgment>, signal: AbortSignal): Promise<Judgment> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    answer.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

function broken({ id, hook }: HookRuntime, why: string): Judgment {
  if (onFailure(hook) === 'open') return NO_OPINION;
  return { decision: 'deny', reason: `hook ${id} cannot judge: ${why}` };
}

interface Spoken {
  readonly judgment: Judgment;
  readonly failure: string | null;
  readonly id: string;
  readonly startedMs: number;
  readonly isAudit: boolean;
}

function recordOf(
  { index: action, type: actionType }: ActionInstance,
  { judgment, failure, id, startedMs, isAudit }: Spoken,
): Omit<AttemptRecord, 'durationMs'> {
  const { decision, reason, risk } = judgment;
  const word = [
    `${decision ?? 'no opinion'}${risk === undefined ? '' : ` (${risk})`}`,
    ...(judgment.detail === undefined ? [] : [`, ${judgment.detail}`]),
    ...(reason === '' ? [] : [`: ${reason}`]),
  ].join('');
  return {
    action,
    actionType,
    number: 1,
    deliveryId: id,
    status: failure === null ? 'delivered' : 'rejected',
    reason: failure ?? '',
    detail: isAudit ? `would be ${word}` : word,
    output: '',
    timedOut: false,
    startedMs,
  };
}

type Together = Omit<Verdict, 'judged'>;

/** Hooks in audit mode are heard and not counted. */
function together(said: readonly Said[], mode: VerdictsDeps['mode']): Together {
  const counted = said.filter(({ runtime }) => mode === 'enforce' && runtime.hook.spec.mode === 'enforce');
  let decision: Judgment['decision'] = null;
  for (const { judgment } of counted) decision = strictest(decision, judgment.decision);
  const deciding = decision === null ? [] : counted.filter(({ judgment }) => judgment.decision === decision);
  const [first] = deciding;
  const risk = first?.judgment.risk;
  const rewriting = counted.find(({ judgment }) => judgment.updatedInput !== undefined);
  const stop = counted.find(({ judgment }) => judgment.stop !== undefined)?.judgment.stop;
  const context = texts(counted, ({ context: text }) => text);
  const message = texts(counted, ({ message: text }) => text);
  const approval = first && decision === 'ask' ? approvalOf(first.runtime.hook.spec) : null;
  return {
    decision,
    reason: texts(deciding, ({ reason }) => reason, '; ') ?? '',
    hook: first?.runtime.id ?? '',
    approval: approval && { by: approval.by, waitMs: approval.wait },
    ...(risk === undefined ? {} : { risk }),
    ...(rewriting?.judgment.updatedInput === undefined ? {} : { updatedInput: rewriting.judgment.updatedInput }),
    ...(context === undefined ? {} : { context }),
    ...(message === undefined ? {} : { message }),
    ...(stop === undefined ? {} : { stop }),
  };
}

function texts(
  said: readonly Said[],
  of: (judgment: Judgment) => string | undefined,
  separator = '\n',
): string | undefined {
  const all = new Set(said.map(({ judgment }) => of(judgment) ?? '').filter((text) => text !== ''));
  return all.size === 0 ? undefined : [...all].join(separator).slice(0, LONGEST_REASON);
}

function endless(said: readonly Said[]): Together {
  const hook = said.find(({ judgment }) => judgment.updatedInput !== undefined)?.runtime.id ?? '';
  const reason = `the input was rewritten ${MAX_REWRITES} times and hook ${hook} rewrites it again`;
  return { decision: 'deny', reason, hook, approval: null };
}

/** With the input that all agreed on last, where it is not the agent's own. */
function ended(verdict: Together, last: Question, first: Question, records: ReadonlyMap<string, Said>): Verdict {
  const { updatedInput: _, ...rest } = verdict;
  const rewritten = verdict.decision !== 'deny' && last !== first ? { updatedInput: last.call.input } : {};
  return { ...rest, ...rewritten, judged: judgedBy(records) };
}

function judgedBy(records: ReadonlyMap<string, Said>): HookJudgment[] {
  const byHook = new Map<string, AttemptRecord[]>();
  for (const { runtime, record } of records.values()) {
    const attempts = byHook.get(runtime.id);
    if (attempts) attempts.push(record);
    else byHook.set(runtime.id, [record]);
  }
  return [...byHook].map(([hook, attempts]) => ({ hook, attempts }));
}

/** How events and what hooks made of them read on one line. */
import { EXPIRY } from '#core';

import type { EventSummary, HookOutcome } from '../store/types.ts';
import { cut, duration, isoTime, type Listing, safe, type Terminal, timeText } from './output.ts';

/** `netlink.link-added` → `link-added`. */
export function shortType(type: string): string {
  return type.slice(type.indexOf('.') + 1);
}

export function hookName(hook: string): string {
  return hook.replace(/^trotline\//, '');
}

/** `2 delivered, 1 pending (notify, retry 2)`. */
export function outcomeText(hooks: readonly HookOutcome[]): string {
  const counts = Map.groupBy(hooks, ({ outcome }) => outcome);
  return [...counts]
    .map(([outcome, of]) => {
      const named = outcome === 'delivered' ? '' : ` (${of.map(pendingText).join('; ')})`;
      return `${of.length} ${outcome}${named}`;
    })
    .join(', ');
}

function pendingText({ hook, outcome, attempts, reason }: HookOutcome): string {
  if (outcome === 'pending') return `${hookName(hook)}${attempts.length > 0 ? `, retry ${attempts.length}` : ''}`;
  return `${hookName(hook)}${reason === '' ? '' : `: ${reason}`}`;
}

const MARKS: Partial<Record<HookOutcome['outcome'], readonly [string, 'green' | 'red' | 'yellow' | 'dim']>> = {
  delivered: ['✔', 'green'],
  pending: ['…', 'yellow'],
  deduplicated: ['=', 'dim'],
  grouped: ['=', 'dim'],
  audited: ['○', 'dim'],
};

/** `link-log ✔ 4 ms`: the hook, its mark, and the one detail that matters. */
export function hookText(hook: HookOutcome, { paint }: Terminal, now: number): string {
  const [mark, colour] = MARKS[hook.outcome] ?? (['✗', 'red'] as const);
  return `${safe(hookName(hook.hook))} ${paint(colour, mark)} ${safe(cut(detailOf(hook, now), 60))}`.trimEnd();
}

function detailOf({ outcome, attempts, reason, waitsFor, nextAttemptMs }: HookOutcome, now: number): string {
  const last = attempts.at(-1);
  if (outcome === 'delivered') {
    const said = last?.output.trim().split('\n')[0] ?? '';
    // That a script ended well is what the mark says.
    const plain = !last || last.detail === '' || last.detail === 'exit 0';
    const detail = plain ? duration(last?.durationMs ?? null) : last.detail;
    return `${detail}${said === '' ? '' : ` "${cut(said, 40)}"`}`;
  }
  if (outcome !== 'pending')
    return [outcome === 'rejected' ? '' : outcome, shortReason(reason || (last?.reason ?? ''))]
      .filter((part) => part !== '')
      .join(': ');
  const what = waitsFor === EXPIRY ? 'expires' : 'retry';
  const when = nextAttemptMs > now ? `${what} in ${duration(nextAttemptMs - now)}` : waitsFor;
  return distinct([when, shortReason(last?.reason ?? '')]).join(': ');
}

/** Words of different sources that may say the same, or nothing. */
export function distinct(words: readonly string[]): string[] {
  return [...new Set(words)].filter((word) => word !== '');
}

/** `… connect ECONNREFUSED 127.0.0.1:9000` → `127.0.0.1:9000 refused`. */
function shortReason(reason: string): string {
  return reason.replace(/(endpoint not reached: )?connect ECONNREFUSED (\S+)/, '$2 refused');
}

/** `12:03:11.204  link-added    hello    link-log ✔ 4 ms   notify ✔ 200 in 9 ms`. */
export function eventLine(event: EventSummary, hooks: readonly HookOutcome[], terminal: Terminal, now: number): string {
  const { paint } = terminal;
  const type = shortType(event.type).padEnd(12);
  const subject = cut(safe(event.subject), 24).padEnd(8);
  const results = hooks.map((hook) => hookText(hook, terminal, now)).join('   ');
  return `${paint('dim', timeText(event.timeMs, now))}  ${safe(type)}  ${paint('cyan', subject)}  ${results}\n`;
}

export const EVENTS: Listing<EventSummary> = {
  none: 'no events; only those that a hook took are kept',
  columns: [
    { title: 'TIME', value: ({ timeMs }) => timeText(timeMs) },
    { title: 'EVENT', value: ({ type }) => shortType(type) },
    { title: 'SUBJECT', value: ({ subject }) => subject, max: 32, colour: () => 'cyan' },
    { title: 'NODE', value: ({ node }) => node },
    { title: 'HOOKS', value: ({ hooks }) => String(hooks.length), align: 'right' },
    { title: 'OUTCOME', value: ({ hooks }) => outcomeText(hooks), max: 60 },
    { title: 'ID', value: ({ id }) => id },
  ],
  flat: flatEvent,
};

export function flatEvent({ id, type, subject, node, timeMs, hooks }: EventSummary): Readonly<Record<string, unknown>> {
  const outcomes = hooks.map(({ hook, outcome, reason, uncoordinated, timeMs: at, attempts, ...wait }) => ({
    hook,
    outcome,
    reason: outcome === 'pending' ? (attempts.at(-1)?.reason ?? '') : reason,
    uncoordinated,
    time: isoTime(at),
    attempts: attempts.length,
    ...(outcome === 'pending' ? { waitsFor: wait.waitsFor, nextAttempt: isoTime(wait.nextAttemptMs) } : {}),
  }));
  return { id, type, subject, node, time: isoTime(timeMs), outcome: outcomeText(hooks), hooks: outcomes };
}

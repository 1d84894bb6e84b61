import type { EventDetail } from '../store/types.ts';
import { distinct, hookText, shortType } from './event-text.ts';
import { duration, isoTime, safe, type Terminal, timeText } from './output.ts';

/** Lines of captured output that are shown of an attempt. */
const OUTPUT_LINES = 20;

/** One event for people: what it is, its attributes, then each hook with every attempt. */
export function showEvent({ id, event, hooks }: EventDetail, terminal: Terminal, now = Date.now()): string {
  const { paint } = terminal;
  const facts: [string, string][] = [
    ['id', id],
    ['type', event.type],
    ['node', event.node],
    ['sequence', String(event.sequence)],
    ['interface', event.interface],
    ['namespace', event.namespace],
    ['message_type', String(event.messageType)],
    ['event_type', String(event.eventType)],
    ...Object.entries(event.attributes).map(([name, value]): [string, string] => [name, String(value)]),
  ];
  const width = Math.max(...facts.map(([name]) => name.length));
  const head = `${timeText(event.time, now)}  ${paint('bold', safe(shortType(event.type)))}  ${paint('cyan', safe(event.subject))}\n`;
  const lines = facts
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `  ${safe(name).padEnd(width)}  ${safe(value)}\n`);
  return [
    head,
    ...lines,
    ...hooks.flatMap((hook) => [`\n${hookText(hook, terminal, now)}\n`, ...attemptLines(hook, terminal)]),
  ].join('');
}

function attemptLines({ attempts }: EventDetail['hooks'][number], { paint }: Terminal): string[] {
  return attempts.flatMap(
    ({ action, actionType, number, status, reason, detail, output, startedMs, durationMs, timedOut }) => {
      const words = distinct([status, timedOut && !detail.startsWith('timed out') ? 'timed out' : '', detail, reason]);
      // How long an attempt ran that a crash cut short, nobody saw.
      const took = status === 'interrupted' && durationMs === 0 ? '' : ` (${duration(durationMs)})`;
      const head = `  ${timeText(startedMs)}  ${safe(actionType)}[${action}] attempt ${number}: ${safe(words.join(', '))}${took}\n`;
      const all = output === '' ? [] : output.trimEnd().split('\n');
      const rest =
        all.length > OUTPUT_LINES
          ? [`    ${paint('dim', `… ${all.length - OUTPUT_LINES} more lines, see -o json`)}\n`]
          : [];
      return [head, ...all.slice(0, OUTPUT_LINES).map((line) => `    ${paint('dim', '│')} ${safe(line)}\n`), ...rest];
    },
  );
}

/** The same for programs: times are ISO, but for the one that the event itself has. */
export function eventData({ timeMs, hooks, ...rest }: EventDetail): object {
  return { ...rest, time: isoTime(timeMs), hooks: hooks.map(hookData) };
}

function hookData(outcome: EventDetail['hooks'][number]): object {
  const { timeMs, nextAttemptMs, attempts, ...rest } = outcome;
  return { ...rest, time: isoTime(timeMs), nextAttempt: isoTime(nextAttemptMs), attempts: attempts.map(attemptData) };
}

function attemptData(attempt: EventDetail['hooks'][number]['attempts'][number]): object {
  const { startedMs, ...rest } = attempt;
  return { ...rest, started: isoTime(startedMs) };
}

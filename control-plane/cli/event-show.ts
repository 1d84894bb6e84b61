import type { EventDetail } from '../store/types.ts';
import { hookText, shortType } from './event-text.ts';
import { duration, safe, type Terminal, timeText } from './output.ts';

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
      const words = [status, timedOut ? 'timed out' : '', detail, reason].filter((word) => word !== '').join(', ');
      const head = `  ${timeText(startedMs)}  ${safe(actionType)}[${action}] attempt ${number}: ${safe(words)} (${duration(durationMs)})\n`;
      const all = output === '' ? [] : output.trimEnd().split('\n');
      const rest =
        all.length > OUTPUT_LINES
          ? [`    ${paint('dim', `… ${all.length - OUTPUT_LINES} more lines, see -o json`)}\n`]
          : [];
      return [head, ...all.slice(0, OUTPUT_LINES).map((line) => `    ${paint('dim', '│')} ${safe(line)}\n`), ...rest];
    },
  );
}

/** `trotline hooks test`: why a hook would run for an event, or not. */
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';

import { AppError, errorText, type Explanation, isObject } from '#core';

import type { ExplainedPart, HookExplanation } from '../explain.ts';
import {
  type Command,
  type Context,
  type DataOption,
  dataOption,
  examples,
  openClient,
  type OutputOption,
  outputOption,
} from './command.ts';
import { answerLines } from './hooks-test-lines.ts';
import { renderData, safe, type Terminal, timeText, widthOf } from './output.ts';

interface TestOptions {
  readonly event?: string;
  readonly jsonl?: boolean;
}

export function addTestCommand(hooks: Command, context: Context): void {
  const test = hooks.command('test [hook]').description('why a hook would run for an event, or not');
  test.option('-e, --event <event>', 'an id, "last", a file with an event as JSON, or - for stdin');
  test.option('--jsonl', 'answer lines {"expression", "event"} of stdin, without a control plane');
  test.addOption(dataOption()).addOption(outputOption());
  examples(test, 'trotline hooks test veth-gone --event last', 'trotline hooks test --jsonl < lines.jsonl');
  test.action(async (hook: string | undefined, options: DataOption & OutputOption & TestOptions) => {
    if (options.jsonl) {
      if (hook !== undefined || options.event !== undefined)
        throw new AppError(
          'USAGE',
          '--jsonl has its expressions and events on stdin, expected neither a hook nor --event',
        );
      const { answered, unreadable } = await answerLines(
        process.stdin,
        (line) => context.terminal.out(line),
        context.signal,
      );
      if (unreadable > 0) context.terminal.err(`${unreadable} of ${answered} lines could not be read\n`);
      context.exitCode = unreadable > 0 ? 2 : 0;
      return;
    }
    if (hook === undefined || options.event === undefined)
      throw new AppError(
        'USAGE',
        `${hook === undefined ? 'a hook' : '--event'} is missing, expected HOOK --event EVENT, or --jsonl`,
      );
    const client = await openClient(options, context);
    const explanation = await client.send<HookExplanation>('POST', '/v1/hooks/test', {
      hook,
      event: await eventOf(options.event),
    });
    const { output } = options;
    const { terminal } = context;
    terminal.out(
      output === 'json' || output === 'yaml'
        ? renderData(explanation, output)
        : renderExplanation(explanation, terminal),
    );
    context.exitCode = explanation.wouldRun ? 0 : 1;
  });
}

/** The event itself, or what the control plane shall look up. What `events show -o json` printed is taken, too. */
async function eventOf(given: string): Promise<unknown> {
  const isFile = given === '-' || /[./]/.test(given.slice(-5)) || given.includes('/');
  if (!isFile && !given.startsWith('{')) return given;
  try {
    const parsed: unknown = JSON.parse(given.startsWith('{') ? given : await contentOf(given));
    if (!isObject(parsed)) throw new Error('it is no JSON object');
    // As `events show` prints one, and as `events list` does: that one is stored.
    if ('event' in parsed) return parsed.event;
    return 'hooks' in parsed && typeof parsed.id === 'string' ? parsed.id : parsed;
  } catch (error) {
    throw new AppError('USAGE', `no event in ${given}: ${errorText(error)}`, { cause: error });
  }
}

function contentOf(file: string): Promise<string> {
  return file === '-' ? text(process.stdin) : readFile(file, 'utf8');
}

/** As people read it: one line a part, ✔ or ✗, and why. */
export function renderExplanation(explanation: HookExplanation, terminal: Terminal): string {
  const { hook, event, wouldRun, parts } = explanation;
  const name = hook.replace(/^trotline\//, '');
  const verdict = wouldRun ? terminal.paint('green', 'would run') : terminal.paint('red', 'would NOT run');
  const what = `${event.type.slice(event.type.indexOf('.') + 1)} ${event.subject} (${timeText(event.time)})`;
  const lines = parts.filter(({ part, holds }) => part !== 'enabled' || !holds).flatMap(partLines);
  const width = Math.max(...lines.map((line) => widthOf(safe(line.text))));
  const shown = lines.map(({ text: said, holds, why }) => {
    const pad = ' '.repeat(width - widthOf(safe(said)));
    const mark = holds ? terminal.paint('green', '✔') : terminal.paint('red', '✗');
    return `  ${safe(said)}${pad}  ${mark}${why === '' ? '' : `  ${safe(why)}`}\n`;
  });
  return `${safe(name)}: ${verdict} for ${safe(what)}\n${shown.join('')}  ${'then'.padEnd(11)}  ${safe(thenText(explanation))}\n`;
}

/** A condition of several parts is a tree of lines. */
function partLines({ part, says, holds, why, tree }: ExplainedPart): Line[] {
  const label = part.padEnd(11);
  if (!tree || tree.children.length === 0) {
    return [{ text: `${label}  ${says || 'all'}`, holds, why: why || (holds ? '' : (tree?.actual ?? '')) }];
  }
  const head = { text: `${label}  ${says}`, holds, why: '' };
  return [head].concat(tree.children.flatMap((child) => treeLines(child, '             ')));
}

interface Line {
  readonly text: string;
  readonly holds: boolean;
  readonly why: string;
}

function treeLines({ text: condition, value, actual, children }: Explanation, indent: string): Line[] {
  const own = { text: `${indent}└─ ${condition}`, holds: value, why: actual ?? '' };
  return [own, ...children.flatMap((child) => treeLines(child, `${indent}   `))];
}

function thenText({ actions, limit, dedup, groupWait, mode }: HookExplanation): string {
  const acts = actions.map(({ type, what }) => `${type} ${what}`.trim()).join(' and ');
  const key = dedup
    ? Object.entries(dedup.key)
        .map(([field, value]) => `${field}=${value}`)
        .join(', ')
    : '';
  return [
    mode === 'audit' ? `nothing (audit), else ${acts}` : acts,
    limit === null ? 'no limit' : `at most ${limit} on a node`,
    ...(groupWait === null ? [] : [`all of one incident at once, ${groupWait} after the first`]),
    dedup ? `once per ${dedup.window} in the ${dedup.scope} for ${key}` : 'no deduplication',
  ].join(', ');
}

/** Detection and false positives on the corpora of test/conformance/guard: text only, nothing of it is run. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { type CheckedCall, loadGuardCheck } from '#plugins';

const FOLDER = join(import.meta.dirname, '../../../../conformance/guard');
/** Of each hundred. */
const STOPPED = 99;
const DENIED = 90;
const BOTHERED = 1;

interface Line {
  readonly id: string;
  readonly class: string;
  readonly command: string;
  readonly cwd: string;
  readonly expect: string;
}

function lines<T>(file: string): T[] {
  const text = readFileSync(join(FOLDER, file), 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line): T => JSON.parse(line));
}

const check = await loadGuardCheck({});
const verdictOf = ({ command, cwd }: Line) => check({ tool: 'Bash', input: { command }, cwd }).verdict;
const percent = (part: number, whole: number): number => (100 * part) / whole;

describe('the corpora', () => {
  it('L7: of the dangerous, 99 in a hundred are stopped, and of those that must not be, nine in ten are denied', () => {
    const all = lines<Line>('dangerous.jsonl');
    expect(all.length).toBeGreaterThanOrEqual(400);
    const stopped = all.filter((line) => verdictOf(line) !== 'allow');
    expect(percent(stopped.length, all.length)).toBeGreaterThanOrEqual(STOPPED);
    const fatal = all.filter((line) => line.expect === 'deny');
    const denied = fatal.filter((line) => verdictOf(line) === 'deny');
    expect(percent(denied.length, fatal.length)).toBeGreaterThanOrEqual(DENIED);
  });

  it('L7: no class of the dangerous is a way through', () => {
    const byClass = Map.groupBy(lines<Line>('dangerous.jsonl'), (line) => line.class);
    for (const [name, all] of byClass) {
      const stopped = all.filter((line) => verdictOf(line) !== 'allow');
      expect(percent(stopped.length, all.length), name).toBeGreaterThanOrEqual(85);
    }
  });

  it('L8: of the ordinary, one in a hundred at most is bothered', () => {
    const all = lines<Line>('ordinary.jsonl');
    expect(all.length).toBeGreaterThanOrEqual(1200);
    const bothered = all.filter((line) => verdictOf(line) !== 'allow');
    expect(percent(bothered.length, all.length)).toBeLessThanOrEqual(BOTHERED);
  });

  it('tool calls that are not shell are judged by their paths and addresses', () => {
    const calls = lines<{
      tool_name: string;
      tool_input: CheckedCall['input'];
      cwd: string;
      expect: string;
      id: string;
    }>('tools.jsonl');
    const wrong = calls.filter(
      ({ tool_name: tool, tool_input: input, cwd, expect: expected }) =>
        check({ tool, input, cwd }).verdict !== expected,
    );
    expect(wrong.map(({ id }) => id)).toEqual([]);
  });
});

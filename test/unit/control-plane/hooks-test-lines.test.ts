import { PassThrough, Readable } from 'node:stream';

import { describe, expect, it } from 'vitest';

import { answerLines } from '../../../control-plane/cli/hooks-test-lines.ts';

const NEVER = new AbortController().signal;

async function answersTo(...lines: readonly (string | object)[]) {
  const answers: unknown[] = [];
  const input = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n');
  const out = (line: string): void => void answers.push(JSON.parse(line));
  const end = await answerLines(Readable.from([Buffer.from(input)]), out, NEVER);
  return { answers, ...end };
}

async function answerTo(expression: string, event: object): Promise<unknown> {
  return (await answersTo({ expression, event })).answers[0];
}

describe('hooks test --jsonl', () => {
  it('answers one line each, in order, and goes on after bad ones', async () => {
    const { answers, answered, unreadable } = await answersTo(
      { expression: "interface == 'lo'", event: { interface: 'lo' } },
      { expression: 'sequence == 1 AND\n foo == 1', event: {} },
      'nonsense',
      '',
      '[]',
      { event: {} },
      { expression: 1 },
      { expression: 'sequence == 1', event: [] },
      { expression: 'sequence == 1', event: { sequence: '1' } },
      { expression: 'sequence == 1', event: { netlink: { link: { mtu: [1] } } } },
      { expression: '' },
    );
    expect(answers).toEqual([
      { value: true },
      { error: { message: expect.stringContaining('unknown field foo'), at: { offset: 19, line: 2, column: 2 } } },
      { error: { message: expect.stringMatching(/^line 3: is no JSON: /) } },
      { error: { message: expect.stringMatching(/^line 4: is no JSON: /) } },
      { error: { message: 'line 5: is no object, expected {"expression": …, "event": {…}}' } },
      { error: { message: 'line 6: has neither "expression" nor "cel", expected one of them' } },
      { error: { message: 'line 7: "expression" is no text, expected an expression' } },
      { error: { message: 'line 8: "event" is no object, expected fields and their values' } },
      { error: { message: 'line 9: event field "sequence" is a string, expected a number' } },
      {
        error: {
          message: 'line 10: event field "netlink.link.mtu" is a list, expected text, a number or a truth value',
        },
      },
      { value: true },
    ]);
    expect({ answered, unreadable }).toEqual({ answered: 11, unreadable: 8 });
  });

  it('takes fields flat, nested and as events are printed', async () => {
    const expression =
      "netlink.link.mtu == 1500 AND netlink.resynced AND netlink.link.ifname == 'lo' AND message_type == 16";
    for (const event of [
      { 'netlink.link.mtu': 1500, 'netlink.resynced': true, 'netlink.link.ifname': 'lo', message_type: 16 },
      { netlink: { link: { mtu: 1500, ifname: 'lo' }, resynced: true }, message_type: 16, unknown: { at: [1] } },
      { netlink: { 'link.mtu': 1500, resynced: true }, 'netlink.link': { ifname: 'lo' }, messageType: 16 },
      {
        id: 'netlink-1-1',
        event: {
          type: 'netlink.link-changed',
          messageType: 16,
          attributes: { 'netlink.link.mtu': 1500, 'netlink.resynced': true, 'netlink.link.ifname': 'lo' },
        },
        hooks: [],
      },
    ]) {
      expect(await answerTo(expression, event)).toEqual({ value: true });
    }
  });

  it('has what is missing as every event has it, and attributes absent', async () => {
    const basic =
      "interface == '' AND namespace == '' AND message_type == 0 AND event_type == 0 AND timestamp == 0 AND sequence == 0";
    expect(await answerTo(basic, {})).toEqual({ value: true });
    expect(await answerTo('netlink.link.mtu != 1', { 'netlink.link.mtu': null })).toEqual({ value: false });
    expect(await answerTo("netlink.link.mtu == '1'", { 'netlink.link.mtu': '1' })).toEqual({ value: true });
  });

  it('keeps the digits of large numbers', async () => {
    const expression = 'netlink.link.mtu == 9007199254740993';
    const { answers } = await answersTo(
      `{"expression": "${expression}", "event": {"netlink.link.mtu": 9007199254740993}}`,
      `{"expression": "${expression}", "event": {"netlink.link.mtu": 9007199254740992}}`,
      { expression, event: { attributes: { 'netlink.link.mtu': '9007199254740993' } } },
      { expression: 'timestamp == 1700000000000', event: { time: '2023-11-14T22:13:20.000Z' } },
    );
    expect(answers).toEqual([{ value: true }, { value: false }, { value: true }, { value: true }]);
  });

  it.each(['sequence', 'timestamp', 'message_type', 'event_type'])('keeps the digits of a large %s', async (name) => {
    const line = (value: string) =>
      `{"expression": "${name} == 9007199254740993", "cel": "event.${name} == 9007199254740993", "event": {"${name}": ${value}}}`;
    const { answers } = await answersTo(line('9007199254740993'), line('9007199254740992'), line('1.5'));
    expect(answers).toEqual([{ value: true }, { value: false }, { value: false, failed: `${name} is no int` }]);
  });

  it('takes CEL beside or instead of the expression', async () => {
    const event = { interface: 'lo' };
    const { answers } = await answersTo(
      { cel: 'event.interface == "lo"', event },
      { expression: "interface == 'eth0'", cel: 'event.interface == "lo"', event },
      { expression: "interface == 'lo'", cel: 'event.sequence / 0 == 1', event },
      { expression: "interface == 'lo'", cel: 'event.interfce == "lo"', event },
    );
    expect(answers).toEqual([
      { value: true },
      { value: false },
      { value: false, failed: 'division by zero' },
      { error: { in: 'cel', message: expect.stringContaining('did you mean'), at: { offset: 0, line: 1, column: 1 } } },
    ]);
  });

  it('answers a line before the next one comes, wherever the pieces are cut', async () => {
    const input = new PassThrough();
    const answers: string[] = [];
    let told = () => {};
    const out = (line: string): void => {
      answers.push(line);
      told();
    };
    const done = answerLines(input, out, NEVER);
    const whole = Buffer.from(
      `${JSON.stringify({ expression: "interface == 'é\u2028'", event: { interface: 'é\u2028' } })}\n`,
    );
    for (let round = 1; round <= 2; round++) {
      const answer = new Promise<void>((resolve) => void (told = resolve));
      for (const byte of whole) input.write(Buffer.from([byte]));
      await answer;
      expect(answers).toHaveLength(round);
    }
    input.end();
    expect(await done).toEqual({ answered: 2, unreadable: 0 });
    expect(answers).toEqual(['{"value":true}\n', '{"value":true}\n']);
  });

  it('ends an endless input once nobody reads the answers', async () => {
    const gone = new AbortController();
    const endless = Readable.from(
      (function* () {
        for (;;) yield Buffer.from('{"expression":"","event":{}}\n');
      })(),
    );
    let answers = 0;
    const out = (): void => void (++answers === 3 && gone.abort());
    expect(await answerLines(endless, out, gone.signal)).toEqual({ answered: 3, unreadable: 0 });
  });
});

import { describe, expect, it } from 'vitest';

import type { Ended, Judgment, Verdict } from '#core';

import { claudeAnswer } from '../../../plugins/claude-form.ts';
import { askEndpoint, programJudgment } from '../../../plugins/judges.ts';

const EXIT_0: Ended = {
  exitCode: 0,
  signal: null,
  startError: null,
  timedOut: false,
  durationMs: 12,
  output: '',
  errorOutput: '',
  outputTruncated: false,
};

const EVENTS = [
  'PreToolUse',
  'PostToolUse',
  'UserPromptSubmit',
  'PermissionRequest',
  'Stop',
  'SubagentStop',
  'PreCompact',
  'SessionStart',
  'SessionEnd',
  'Notification',
];

const specific = (parts: object): string => JSON.stringify({ hookSpecificOutput: parts });

/** How a program may end, and what it has said by that; a text: why it is broken. */
const ENDS: readonly (readonly [string, Partial<Ended>, Partial<Judgment> | string])[] = [
  ['exit 0 without a word', {}, { decision: null }],
  ['exit 0, white space', { output: ' \n' }, { decision: null }],
  ['exit 0, approve', { output: '{"decision":"approve"}' }, { decision: 'allow' }],
  ['exit 0, block', { output: '{"decision":"block","reason":"no"}' }, { decision: 'deny', reason: 'no' }],
  ['exit 0, allow', { output: specific({ permissionDecision: 'allow' }) }, { decision: 'allow' }],
  [
    'exit 0, ask',
    { output: specific({ permissionDecision: 'ask', permissionDecisionReason: 'sure?' }) },
    { decision: 'ask', reason: 'sure?' },
  ],
  ['exit 0, deny', { output: specific({ permissionDecision: 'deny' }) }, { decision: 'deny' }],
  [
    'exit 0, allow and block at once',
    { output: JSON.stringify({ decision: 'block', hookSpecificOutput: { permissionDecision: 'allow' } }) },
    { decision: 'deny' },
  ],
  [
    'exit 0, another input',
    { output: specific({ permissionDecision: 'allow', updatedInput: { command: 'ls' } }) },
    { decision: 'allow', updatedInput: { command: 'ls' } },
  ],
  [
    'exit 0, a behavior',
    { output: specific({ decision: { behavior: 'deny', message: 'never' } }) },
    { decision: 'deny', reason: 'never' },
  ],
  ['exit 0, context', { output: specific({ additionalContext: 'be brief' }) }, { decision: null, context: 'be brief' }],
  ['exit 0, stop', { output: '{"continue":false,"stopReason":"enough"}' }, { decision: null, stop: 'enough' }],
  ['exit 0, a message', { output: '{"systemMessage":"hello"}' }, { decision: null, message: 'hello' }],
  ['exit 0, JSON of nothing', { output: '{}' }, { decision: null }],
  ['exit 0, JSON that is cut', { output: '{"decision":' }, 'no JSON'],
  ['exit 0, an unknown decision', { output: '{"decision":"maybe"}' }, 'decision "maybe", expected allow, approve'],
  ['exit 0, a decision that is no text', { output: '{"decision":1}' }, 'decision 1'],
  ['exit 0, too much', { output: '{"a":"', outputTruncated: true }, 'larger than 65536 bytes'],
  ['exit 2 with a reason', { exitCode: 2, errorOutput: 'not here\n' }, { decision: 'deny', reason: 'not here' }],
  ['exit 2 without a word', { exitCode: 2 }, { decision: 'deny', reason: 'blocked by exit 2' }],
  [
    'A3: exit 2 beside JSON that allows',
    { exitCode: 2, output: '{"decision":"approve","reason":"fine"}' },
    { decision: 'deny', reason: 'fine' },
  ],
  ['exit 2 beside JSON that is broken', { exitCode: 2, output: '{"dec' }, { decision: 'deny' }],
  ['exit 1', { exitCode: 1, errorOutput: 'Traceback\nline 2' }, 'exit 1: Traceback'],
  ['exit 127', { exitCode: 127 }, 'exit 127'],
  ['a signal', { exitCode: null, signal: 'SIGSEGV' }, 'killed by SIGSEGV'],
  ['the timeout', { exitCode: null, signal: 'SIGKILL', timedOut: true }, 'timed out after 12 ms'],
  [
    'no start',
    { exitCode: null, startError: { syscall: 'execve', code: 'ENOENT', transient: false } },
    'not started: execve ENOENT',
  ],
];

describe('A2: a program in claude-command form', () => {
  for (const name of EVENTS) {
    it.each(ENDS)(`${name}: %s`, (_how, parts, said) => {
      const ended = { ...EXIT_0, ...parts };
      if (typeof said === 'string') expect(() => programJudgment(ended, { name })).toThrow(said);
      else expect(programJudgment(ended, { name })).toMatchObject(said);
    });
  }

  it('gives plain text to the agent where the protocol has it so, and else takes it for no opinion', () => {
    const ended = { ...EXIT_0, output: 'today is Friday\n' };
    expect(programJudgment(ended, { name: 'UserPromptSubmit' })).toMatchObject({ context: 'today is Friday' });
    expect(programJudgment(ended, { name: 'SessionStart' })).toMatchObject({ context: 'today is Friday' });
    expect(programJudgment(ended, { name: 'PreToolUse' })).toEqual({ decision: null, reason: '' });
  });
});

const VERDICT: Verdict = { decision: null, reason: '', hook: '', approval: null, judged: [] };
const DENY: Verdict = { ...VERDICT, decision: 'deny', reason: 'no' };

describe('A7: each event has its own form of an answer', () => {
  it.each([
    [
      'PreToolUse',
      specific({ hookEventName: 'PreToolUse', permissionDecision: 'deny', permissionDecisionReason: 'no' }),
    ],
    [
      'PermissionRequest',
      specific({ hookEventName: 'PermissionRequest', decision: { behavior: 'deny', message: 'no' } }),
    ],
    ['PostToolUse', '{"decision":"block","reason":"no"}'],
    ['UserPromptSubmit', '{"decision":"block","reason":"no"}'],
    ['Stop', '{"decision":"block","reason":"no"}'],
    ['SubagentStop', '{"decision":"block","reason":"no"}'],
    ['PreCompact', '{"decision":"block","reason":"no"}'],
    ['SessionStart', '{"continue":false,"stopReason":"no"}'],
    ['SessionEnd', '{"systemMessage":"no"}'],
    ['Notification', '{"systemMessage":"no"}'],
  ])('%s', (name, answer) => {
    expect(claudeAnswer(DENY, { name })).toEqual(JSON.parse(answer));
    expect(claudeAnswer(VERDICT, { name })).toEqual({});
  });

  it('gives context only where it is read, and another input only before the tool', () => {
    const told: Verdict = { ...VERDICT, decision: 'allow', context: 'be brief', updatedInput: { command: 'ls' } };
    expect(claudeAnswer(told, { name: 'PreToolUse' })).toEqual({
      hookSpecificOutput: {
        hookEventName: 'PreToolUse',
        permissionDecision: 'allow',
        permissionDecisionReason: '',
        updatedInput: { command: 'ls' },
        additionalContext: 'be brief',
      },
    });
    expect(claudeAnswer(told, { name: 'SessionStart' })).toEqual({
      hookSpecificOutput: { hookEventName: 'SessionStart', additionalContext: 'be brief' },
    });
    expect(claudeAnswer(told, { name: 'Stop' })).toEqual({});
  });
});

describe('an endpoint that judges', () => {
  const never = new AbortController().signal;
  const ask = (response: () => Promise<Response>) =>
    askEndpoint({ fetch: response }, { url: 'https://judge.example/', headers: new Headers(), timeoutMs: 1000 }, '{}', {
      signal: never,
    });

  it('answers in a 2xx, with JSON or with nothing', async () => {
    expect(await ask(async () => new Response('{"decision":"block","reason":"no"}'))).toMatchObject({
      decision: 'deny',
    });
    expect(await ask(async () => new Response(null, { status: 204 }))).toEqual({ decision: null, reason: '' });
  });

  it.each([
    ['another status', async () => new Response('{"decision":"approve"}', { status: 500 }), 'answered 500'],
    ['a redirect', async () => new Response(null, { status: 302, headers: { location: '/' } }), 'answered 302'],
    ['no JSON', async () => new Response('<html>'), 'no JSON'],
    ['a list', async () => new Response('[]'), 'expected a JSON object'],
    ['too much', async () => new Response(`{"a":"${'x'.repeat(70_000)}"}`), 'larger than 65536 bytes'],
    ['no connection', () => Promise.reject(new TypeError('fetch failed')), 'not reached'],
  ])('is broken by %s', async (_what, response, why) => {
    await expect(ask(response)).rejects.toThrow(why);
  });
});

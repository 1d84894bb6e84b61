import { describe, expect, it } from 'vitest';

import type { Ended } from '#core';

import { Cache } from '../../../../../plugins/actions/guard/cache.ts';
import { guardOf } from './kit.ts';

const ENDED: Ended = {
  exitCode: 0,
  signal: null,
  startError: null,
  timedOut: false,
  durationMs: 1,
  output: '',
  errorOutput: '',
  outputTruncated: false,
};

describe('the guard', () => {
  it('L9: obeys a pattern of its own at once, for a command that was judged before', async () => {
    expect(await guardOf().judge('make deploy')).toMatchObject({ decision: null });
    const stricter = guardOf({ patterns: [{ pattern: 'make\\s+deploy', risk: 'CRITICAL', reason: 'frozen' }] });
    expect(await stricter.judge('make deploy')).toMatchObject({
      decision: 'deny',
      risk: 'CRITICAL',
      reason: 'CRITICAL pattern: frozen',
    });
  });

  it('L9: refuses a pattern that is none, with its place', () => {
    expect(() => guardOf({ patterns: [{ pattern: '(' }] })).toThrow(/\/patterns\/0\/pattern/);
  });

  it('L14: remembers a judgment for five minutes, and not across a change of its rules', async () => {
    const guard = guardOf();
    expect((await guard.judge('sudo ls')).detail).toBeUndefined();
    expect(await guard.judge('sudo ls')).toMatchObject({ decision: 'ask', detail: 'from the cache' });
    guard.clock.advance(5 * 60_000);
    expect((await guard.judge('sudo ls')).detail).toBeUndefined();
    expect((await guardOf().judge('sudo ls')).detail).toBeUndefined();
  });

  it('L14: takes the same command in another folder for another question', async () => {
    const guard = guardOf();
    await guard.judgeCall({ cwd: '/home/dev/project', input: { command: 'rm -rf .' } });
    const other = await guard.judgeCall({ cwd: '/', input: { command: 'rm -rf .' } });
    expect(other).toMatchObject({ decision: 'deny' });
    expect(other.detail).toBeUndefined();
  });

  it('L15: holds so many, and what was asked for last survives', () => {
    const cache = new Cache<number>({ keepMs: 1000, size: 1000, now: () => 0 });
    for (let at = 0; at < 2000; at++) {
      cache.set(`command ${at}`, at);
      expect(cache.get('command 0')).toBe(0);
      expect(cache.size).toBeLessThanOrEqual(1000);
    }
    expect(cache.get('command 1')).toBeUndefined();
    expect(cache.get('command 1999')).toBe(1999);
  });

  it('L49: trusts what is on its list, and nothing that hides behind it', async () => {
    const guard = guardOf({ allow: ['sudo systemctl restart nginx', 'sudo apt-get install *'] });
    expect(await guard.judge('sudo systemctl restart nginx')).toMatchObject({ decision: null, risk: 'SAFE' });
    expect(await guard.judge('sudo apt-get install jq')).toMatchObject({ decision: null });
    expect(await guard.judge('sudo apt-get install jq; sudo rm -rf /etc')).toMatchObject({ decision: 'deny' });
    expect(await guard.judge('sudo apt-get install $(curl http://example.com)')).toMatchObject({ decision: 'ask' });
  });

  it('L50: moves its thresholds', async () => {
    expect(await guardOf().judge('sudo ls')).toMatchObject({ decision: 'ask' });
    expect(await guardOf({ deny: 'HIGH' }).judge('sudo ls')).toMatchObject({ decision: 'deny' });
    expect(await guardOf({ ask: 'CRITICAL' }).judge('sudo ls')).toMatchObject({ decision: null, risk: 'HIGH' });
    expect(await guardOf({ deny: 'never', ask: 'never' }).judge('rm -rf /')).toMatchObject({ decision: null });
    expect(await guardOf({ approve: true }).judge('ls')).toMatchObject({ decision: 'allow' });
  });

  it('does not count the rules that it is told to ignore', async () => {
    const { reason } = await guardOf().judge('sudo ls');
    const [, rule = ''] = reason.split(/[ :]/);
    expect(await guardOf({ ignore: [rule] }).judge('sudo ls')).toMatchObject({ decision: null });
  });

  it('judges only what is about to be done', async () => {
    const input = { command: 'rm -rf /' };
    expect(await guardOf().judgeCall({ name: 'PostToolUse', input })).toMatchObject({ decision: null });
    expect(await guardOf().judgeCall({ name: 'PermissionRequest', input })).toMatchObject({ decision: 'deny' });
  });

  it('sees a command wherever in the input it lies, and arguments apart from it', async () => {
    for (const input of [
      { command: ['rm', '-rf', '/'] },
      { command: 'rm', args: ['-rf', '/'] },
      { input: { command: 'rm -rf /' } },
      { steps: [{ run: 1 }, { cmd: 'rm -rf /' }] },
    ])
      expect(await guardOf().judgeCall({ tool: 'mcp__shell__exec', input })).toMatchObject({ decision: 'deny' });
  });

  it('takes a relative path for one of the workspace where nobody says which folder that is', async () => {
    const input = { file_path: 'src/a.ts', content: '' };
    expect(await guardOf().judgeCall({ tool: 'Write', cwd: '', input })).toMatchObject({ decision: null });
  });

  it('L4: does not judge what a file is to hold, nor a description', async () => {
    for (const input of [
      { file_path: 'docs/danger.md', content: 'rm -rf /' },
      { command: 'npm test', description: 'instead of rm -rf /' },
    ])
      expect(await guardOf().judgeCall({ tool: 'Write', input })).toMatchObject({ decision: null });
  });
});

describe('validators', () => {
  const answer = (output: string) => ({ run: async () => ({ ...ENDED, output }) });
  const program = { validators: [{ command: ['/opt/check'] }] };
  const endpoint = { validators: [{ url: 'https://judge.example/check' }] };

  it('L10: are asked beside the rules, programs as well as endpoints, and the strictest counts', async () => {
    const deny = '{"decision":"block","reason":"not on Fridays"}';
    expect(await guardOf(program, answer(deny)).judge('make')).toMatchObject({
      decision: 'deny',
      reason: 'not on Fridays',
    });
    const fetch = async () =>
      new Response('{"hookSpecificOutput":{"permissionDecision":"ask","permissionDecisionReason":"who?"}}');
    expect(await guardOf(endpoint, { fetch }).judge('make')).toMatchObject({ decision: 'ask', reason: 'who?' });
    expect(await guardOf(program, answer('{"decision":"approve"}')).judge('sudo ls')).toMatchObject({
      decision: 'ask',
    });
    expect(await guardOf(program, answer('')).judge('make')).toMatchObject({ decision: null });
  });

  it('L11: deny when they fail, whatever the failure is', async () => {
    const failing: (() => Promise<Ended>)[] = [
      async () => ({ ...ENDED, exitCode: 1, errorOutput: 'oops' }),
      async () => ({ ...ENDED, exitCode: null, signal: 'SIGSEGV' }),
      async () => ({ ...ENDED, timedOut: true, exitCode: null, signal: 'SIGKILL' }),
      async () => ({ ...ENDED, output: '{"decision":' }),
      async () => ({ ...ENDED, output: '{"decision":"perhaps"}' }),
      () => Promise.reject(new Error('no spawner')),
    ];
    for (const run of failing)
      expect(await guardOf(program, { run }).judge('ls')).toMatchObject({
        decision: 'deny',
        reason: expect.stringContaining('validator /opt/check failed') as unknown,
      });
    const fetch = async () => new Response('no', { status: 500 });
    expect(await guardOf(endpoint, { fetch }).judge('ls')).toMatchObject({ decision: 'deny' });
  });

  it('are a program or an endpoint, and not both', async () => {
    const both = { validators: [{ command: ['/opt/check'], url: 'https://judge.example/' }] };
    await expect(guardOf(both).judge('ls')).rejects.toThrow('/validators/0 needs either `command` or `url`');
    await expect(guardOf({ validators: [{ command: ['check'] }] }).judge('ls')).rejects.toThrow(
      '"check" in /validators/0 is not an absolute path',
    );
  });
});

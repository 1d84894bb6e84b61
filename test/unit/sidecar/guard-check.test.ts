import { spawnSync } from 'node:child_process';

import { describe, expect, it } from 'vitest';

import { loadGuardCheck } from '#plugins';

import { answerLine, readGuardArguments } from '../../../sidecar/guard-check.ts';

describe('trotline guard check', () => {
  it.each([
    [[], 'nothing is to be done, expected check'],
    [['chek', 'ls'], '"chek" is to be done, expected check'],
    [['check'], '0 commands are given, expected one'],
    [['check', 'rm', '-f'], /Unknown option '-f'/],
    [['check', '--jsonl', 'ls'], '--jsonl reads commands from stdin'],
    [['check', '-o', 'yaml', 'ls'], '--output is "yaml", expected text or json'],
  ])('refuses %j', (argv, message) => {
    expect(() => readGuardArguments(argv)).toThrow(message);
  });

  it('answers each line with its id, and goes on after one that it cannot read', async () => {
    const check = await loadGuardCheck({});
    expect(answerLine('{"id":7,"command":"rm -rf /","cwd":"/home/dev"}', 1, check)).toMatchObject({
      id: 7,
      verdict: 'deny',
      risk: 'CRITICAL',
    });
    expect(answerLine('{"id":"a","command":"ls"}', 2, check)).toEqual({
      id: 'a',
      verdict: 'allow',
      risk: 'SAFE',
      reasons: [],
    });
    expect(
      answerLine('{"id":1,"tool_name":"WebFetch","tool_input":{"url":"http://169.254.169.254/"}}', 3, check),
    ).toMatchObject({
      verdict: 'ask',
    });
    expect(answerLine('{"id":2}', 4, check)).toEqual({ id: 2, error: 'line 4: /command is missing, expected text' });
    expect(answerLine('rm', 5, check)).toMatchObject({ id: null, error: expect.stringContaining('line 5') as unknown });
  });

  it('is a program: the verdict on stdout, in the exit code when asked for, and no control characters', () => {
    const run = (...argv: string[]) =>
      spawnSync(process.execPath, ['trotline.mjs', 'guard', 'check', ...argv], { encoding: 'utf8' });
    const denied = run('--exit-code', '--cwd', '/', 'rm -rf "\u001b[2J"*');
    expect(denied.status).toBe(1);
    expect(denied.stdout).toMatch(/^deny \(CRITICAL\)\n {2}CRITICAL /);
    expect(denied.stdout).not.toContain('\u001b');
    expect(run('--exit-code', 'ls')).toMatchObject({ status: 0, stdout: 'allow (SAFE)\n', stderr: '' });
    expect(run('ls', 'extra')).toMatchObject({ status: 2, stdout: '' });
  });
});

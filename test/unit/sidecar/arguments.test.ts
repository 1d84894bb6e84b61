import { hostname } from 'node:os';

import { describe, expect, it } from 'vitest';

import { readArguments, USAGE } from '../../../sidecar/config.ts';

const needed = ['--control-plane', 'unix:/s', '--data', '/d'];

describe('the command line of the sidecar', () => {
  it('fills defaults', () => {
    expect(readArguments(needed, {})).toMatchObject({ controlPlane: 'unix:/s', data: '/d', journalSync: 'none' });
    expect(readArguments(needed, {})?.node).toBe(hostname());
    expect(readArguments(needed, { NODE_NAME: 'n1' })?.node).toBe('n1');
    expect(readArguments([...needed, '--node', 'n2'], { NODE_NAME: 'n1' })?.node).toBe('n2');
  });

  it('takes paths from where it was started', () => {
    expect(readArguments(['--control-plane', 'unix:/s', '--data', 'd', '--policy', 'p.yaml'], {})).toMatchObject({
      data: `${process.cwd()}/d`,
      policy: `${process.cwd()}/p.yaml`,
    });
  });

  it.each([
    [[], '--control-plane is missing, expected unix:/path/to.sock'],
    [['--control-plane', 'unix:/s'], '--data is missing, expected a folder'],
    [[...needed, '--polcy', 'p'], 'unknown option --polcy; did you mean "--policy"?'],
    [[...needed, '--journal-sync', 'fast'], 'must be one of "none", "full"'],
  ])('refuses %j', (argv, message) => {
    expect(() => readArguments(argv, {})).toThrow(message);
  });

  it.each([
    [{}, 'enforce'],
    [{ HOOK_SECURITY_VALIDATION_ENABLED: 'true', HOOK_DANGEROUS_COMMAND_BLOCKING: '1' }, 'enforce'],
    [{ HOOK_DANGEROUS_COMMAND_BLOCKING: 'false' }, 'audit'],
    [{ HOOK_SECURITY_VALIDATION_ENABLED: 'False', HOOK_DANGEROUS_COMMAND_BLOCKING: 'true' }, 'off'],
  ])('L12, L33: takes %j for %s', (env, verdicts) => {
    expect(readArguments(needed, env)).toMatchObject({ verdicts });
  });

  it('L33: takes the size of a payload from its variable', () => {
    expect(readArguments(needed, { HOOK_MAX_PAYLOAD_SIZE: '5000' })).toMatchObject({ maxPayload: 5000 });
  });

  it.each([
    [
      { HOOK_SECURITY_VALIDATION_ENABLED: 'perhaps' },
      'HOOK_SECURITY_VALIDATION_ENABLED is "perhaps", expected true or false',
    ],
    [{ HOOK_MAX_PAYLOAD_SIZE: '5k' }, 'HOOK_MAX_PAYLOAD_SIZE is "5k", expected a number of characters'],
    [{ HOOK_MAX_PAYLOAD_SIZE: '5' }, 'maxPayload'],
  ])('L33: refuses %j', (env, message) => {
    expect(() => readArguments(needed, env)).toThrow(message);
  });

  it('has a help that fits a screen', () => {
    expect(readArguments(['-h'], {})).toBeNull();
    expect(USAGE.split('\n').length).toBeLessThan(25);
    expect(Math.max(...USAGE.split('\n').map((line) => line.length))).toBeLessThanOrEqual(120);
  });
});

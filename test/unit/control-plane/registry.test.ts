import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { type Clock, createHook, type Hook, hookId } from '#core';

import { createPushedSet, type PushedSet } from '../../../control-plane/config/hook-set.ts';
import { SecretReader, shownHook } from '../../../control-plane/config/secrets.ts';
import { SidecarRegistry } from '../../../control-plane/config/sidecar-registry.ts';
import { dataFolder, readArguments } from '../../../control-plane/config.ts';
import { eventHook, readTexts } from './kit.ts';

const MIB = 2 ** 20;
const pushed = (hooks: readonly Hook[]): PushedSet => createPushedSet(hooks, new SecretReader());

const identity = { sidecarId: 's1', node: 'n1', version: '1', plugins: [] };

describe('the registry of sidecars', () => {
  let now = 0;
  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    after: () => () => undefined,
    sleep: () => Promise.resolve(),
  };
  let sidecars: SidecarRegistry;
  beforeEach(() => {
    now = 1000;
    sidecars = new SidecarRegistry(clock);
  });

  const applied = (failure: string): void => {
    const hook = {
      hook: 'trotline/a',
      digest: 'd',
      state: failure === '' ? 'applied' : 'failed',
      reason: failure,
    } as const;
    sidecars.answered('s1', { version: 'v1', state: 'applied', reason: '', hooks: [hook] });
  };

  it('keeps since when a hook stands as it does', () => {
    sidecars.connected(identity, '');
    applied('no such program');
    now = 2000;
    applied('no such program');
    expect(sidecars.get('s1').hooks).toMatchObject([{ state: 'failed', sinceMs: 1000 }]);
    applied('');
    expect(sidecars.get('s1').hooks).toMatchObject([{ state: 'applied', sinceMs: 2000 }]);
  });

  it('remembers what a sidecar refused until it is another program', () => {
    sidecars.connected(identity, '');
    sidecars.answered('s1', { version: 'bad', state: 'failed', reason: 'x', hooks: [] });
    sidecars.disconnected('s1');
    expect(sidecars.connected(identity, '').refusedVersion).toBe('bad');
    expect(sidecars.connected({ ...identity, version: '2' }, '').refusedVersion).toBe('');
  });

  it('forgets a sidecar that has been gone for a day, and only then', () => {
    sidecars.connected(identity, '');
    now += 172_800_000;
    expect(sidecars.list()).toHaveLength(1);
    sidecars.disconnected('s1');
    now += 86_400_001;
    expect(sidecars.list()).toEqual([]);
    expect(() => sidecars.get('s1')).toThrow('has connected');
  });
});

describe('what is pushed', () => {
  afterEach(() => vi.unstubAllEnvs());

  const config =
    'config: { url: "http://127.0.0.1:1/", secret: { env: TROTLINE_TEST_SECRET }, headers: { x-key: some-literal } }';
  const text = eventHook('signed')
    .replace('type: script', 'type: webhook')
    .replace(/config: .*/, config);
  const hook = (): Hook => readTexts({ 'a.yaml': text }).hooks[0]!;

  it('has secrets filled in; what people see has not', () => {
    vi.stubEnv('TROTLINE_TEST_SECRET', 'very-secret-value');
    const set = pushed([hook()]);
    expect(set.problems).toEqual([]);
    expect(set.hooks[0]?.specJson).toContain('very-secret-value');
    const shown = JSON.stringify(shownHook(hook()));
    expect(shown).toContain('TROTLINE_TEST_SECRET');
    expect(shown).not.toMatch(/very-secret-value|some-literal/);
    vi.stubEnv('TROTLINE_TEST_SECRET', 'another-value');
    expect(pushed([hook()]).version).not.toBe(set.version);
  });

  it('says which secret cannot be read, and still goes out', () => {
    const set = pushed([hook()]);
    expect(set.hooks).toHaveLength(1);
    expect(set.problems).toMatchObject([{ file: 'a.yaml', line: 1, path: '/actions/0/config/secret' }]);
    expect(set.problems[0]?.message).toContain('TROTLINE_TEST_SECRET');
  });
});

describe('a secret in a file', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'trotline-secret-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  it('is read once, and noticed when it comes, is replaced and goes', () => {
    const file = join(folder, 'key');
    const absent = new SecretReader();
    expect(() => absent.read({ file }, 'trotline')).toThrow('no such file');
    expect(absent.outdated).toBe(false);
    writeFileSync(file, 'first');
    expect(absent.outdated).toBe(true);
    const present = new SecretReader();
    expect(present.read({ file }, 'trotline')).toBe('first');
    expect(present.outdated).toBe(false);
    writeFileSync(file, 'second');
    expect(present.read({ file }, 'trotline')).toBe('first');
    expect(present.outdated).toBe(true);
    rmSync(file);
    expect(present.outdated).toBe(true);
  });
});

describe('hooks beyond what sidecars take', () => {
  const large = (name: string, bytes: number): Hook => {
    const [hook] = readTexts({ 'a.yaml': eventHook(name) }).hooks;
    const actions = [{ type: 'script', config: { command: ['/bin/echo', 'x'.repeat(bytes)] } }];
    return createHook({ ...hook!, spec: { ...hook!.spec, actions } });
  };

  it('are refused one by one, and the rest goes out', () => {
    const hooks = [large('a', 20 * MIB), large('b', 13 * MIB), large('c', 10 * MIB), large('d', 1)];
    const { hooks: sent, refused, version } = pushed(hooks);
    expect(sent.map(hookId)).toEqual(['trotline/a', 'trotline/c', 'trotline/d']);
    expect(refused).toMatchObject([
      {
        id: 'trotline/b',
        file: 'a.yaml',
        issues: [{ line: 1, expected: 'at most 33554432 bytes of all hooks together' }],
      },
    ]);
    expect(version).toBe(pushed(hooks.filter(({ name }) => name !== 'b')).version);
  });

  it('leave an empty set that says so', () => {
    expect(pushed([large('a', 33 * MIB)])).toMatchObject({ hooks: [], explicitlyEmpty: true });
  });
});

describe('the command line of the control plane', () => {
  it('fills defaults, and refuses what it does not know', () => {
    expect(readArguments(['--hooks', '/h', '--data', '/d'], {})).toEqual({
      hooks: '/h',
      data: '/d',
      api: '127.0.0.1:7411',
      retention: 604_800_000,
      log: 'info',
    });
    expect(readArguments(['--help'], {})).toBeNull();
    expect(() => readArguments([], {})).toThrow('--hooks is missing');
    expect(() => readArguments(['--hoks', 'x'], {})).toThrow('--hoks');
    expect(() => readArguments(['--hooks', 'x', '--retention', '5 days'], {})).toThrow('is no duration');
    expect(() => readArguments(['--hooks', 'x', '--log', 'loud'], {})).toThrow('must be one of');
  });

  it('finds its data folder', () => {
    expect(dataFolder('/told', { TROTLINE_DATA: '/env' }, false)).toBe('/told');
    expect(dataFolder(undefined, { TROTLINE_DATA: '/env' }, false)).toBe('/env');
    expect(dataFolder(undefined, {}, true)).toBe('/var/lib/trotline');
    expect(dataFolder(undefined, { XDG_STATE_HOME: '/state' }, false)).toBe('/state/trotline');
    expect(dataFolder(undefined, { XDG_STATE_HOME: 'relative' }, false)).toMatch(/\/\.local\/state\/trotline$/);
  });
});

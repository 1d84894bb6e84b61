import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { Cgroups } from '../../../sidecar/cgroups.ts';
import { eventually } from '../../kit/eventually.ts';
import { hook, sh, startScripts } from './kit.ts';

/** The hierarchy of version 2, if there is one, beside those of version 1 or alone. */
const mount = readFileSync('/proc/self/mounts', 'utf8')
  .split('\n')
  .find((line) => line.split(' ')[2] === 'cgroup2')
  ?.split(' ')[1];

/** A cgroup of this test; null with the reason where none can be made. */
function makeGroup(): string | null {
  if (mount === undefined) return null;
  const group = join(mount, `trotline-test-${process.pid}`);
  try {
    mkdirSync(group);
    return group;
  } catch {
    return null;
  }
}

const tried = makeGroup();
if (tried === null) console.warn('script: cgroups are skipped, this user cannot make one of version 2 here');
else rmdirSync(tried);

/** What this node lets a sidecar limit; empty: it is refused. */
const limited = async () => {
  try {
    await using _ = await new Cgroups().enter({ memoryBytes: 2 ** 28, pids: 20, cpuPercent: 50 });
    return true;
  } catch {
    return false;
  }
};

describe('limits of a whole tree', () => {
  it('hold where the node has them, and else the script does not run and its reason says what to do', async () => {
    const can = await limited();
    if (!can) console.warn('script: memory, pids and cpu of a cgroup are skipped, none is delegated to this process');
    await using scripts = await startScripts((folder) => ({
      scripts: { 'many.sh': sh('for n in 1 2 3 4 5 6 7 8; do sleep 5 & done; echo all'), 'id.sh': sh('echo ran') },
      hooks: {
        'a.yaml': [
          hook('many', [`${folder}/many.sh`], { config: 'limits: { cgroup: { pids: 4 } }' }),
          hook('few', [`${folder}/id.sh`], { config: 'limits: { cgroup: { pids: 4, memoryBytes: 67108864 } }' }),
        ].join('---\n'),
      },
    }));
    await scripts.emit();
    const [many] = await scripts.attempts(2, 'many');
    const [few] = await scripts.attempts(2, 'few');
    if (can) {
      expect(many?.status).toBe('rejected');
      expect(few).toMatchObject({ status: 'delivered', output: 'ran\n' });
      return;
    }
    const reason = expect.stringMatching(
      /^this node cannot limit a whole tree: \/sys\/fs\/cgroup.*; run the sidecar in a cgroup of its own .*Delegate=yes\), or leave/,
    );
    expect([many, few]).toMatchObject([
      { status: 'rejected', reason, output: '' },
      { status: 'rejected', reason, output: '' },
    ]);
  });

  it('are refused where there is no cgroup v2, and where a controller is missing', async () => {
    const nowhere = new Cgroups({ mount: '/proc' });
    await expect(nowhere.enter({ pids: 1 })).rejects.toMatchObject({
      code: 'POLICY_REFUSED',
      message: expect.stringContaining('/proc is no cgroup v2 hierarchy'),
    });
    if (mount === undefined) return;
    const none = { controller: 'none', settings: () => ({}) };
    const without = new Cgroups({ mount, limits: { pids: none, memoryBytes: none, cpuPercent: none } });
    await expect(without.enter({ pids: 1 })).rejects.toThrow(/has no none controller/);
  });
});

describe.skipIf(tried === null)('a cgroup', () => {
  let group = '';
  beforeEach(() => void (group = makeGroup() ?? ''));
  // What was in them may still be on its way out.
  afterEach(() =>
    eventually(() => {
      for (const folder of [join(group, 'trotline'), group]) if (existsSync(folder)) rmdirSync(folder);
      return !existsSync(group);
    }),
  );

  const scenario = async () => {
    const file = fileURLToPath(new URL('cgroup-scenario.ts', import.meta.url));
    const run = promisify(execFile)(process.execPath, ['--conditions=source', file, mount ?? '', group]);
    return JSON.parse((await run).stdout);
  };

  it('holds a program and its tree, with its limits, and is removed with what is left in it', async () => {
    const own = `0::${group.slice(mount?.length)}`;
    const { controller, program, ...told } = await scenario();
    if (controller === '') console.warn('script: the controllers of a cgroup are skipped, none is handed down');
    expect(program[0]).toBe(program[1]);
    expect(told).toMatchObject({
      // The sidecar and its spawner made room: a cgroup with processes cannot hand a controller down.
      sidecar: controller === '' ? own : `${own}/trotline`,
      left: controller === '' ? [expect.any(String), expect.any(String)] : [],
      handedDown: controller,
      limit: controller === '' ? null : 3 * 2_097_152,
      hangs: [true, []],
      gone: { syscall: 'cgroup', code: 'ENOENT', transient: false },
      removed: controller === '' ? [] : ['trotline'],
      orphan: 'SIGKILL',
      end: controller === '' ? [] : ['trotline'],
    });
  });

  it('that holds processes of others is left as it is', async () => {
    const other = spawn('/bin/sleep', ['60']);
    try {
      writeFileSync(join(group, 'cgroup.procs'), String(other.pid));
      const has = readFileSync(join(group, 'cgroup.controllers'), 'utf8').trim() !== '';
      if (has) await expect(scenario()).rejects.toThrow(/holds processes of others too \(\d+\)/);
      expect(readFileSync(join(group, 'cgroup.procs'), 'utf8')).toContain(`${other.pid}\n`);
    } finally {
      const exit = once(other, 'exit');
      other.kill('SIGKILL');
      await exit;
    }
  });
});

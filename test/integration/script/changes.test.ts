import { chmod } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import type { HooksView, HookView } from '../../../control-plane/http/views.ts';
import { eventually } from '../../kit/eventually.ts';
import { hook, nlmon, processes, procText, type Scripts, sh, startScripts } from './kit.ts';

/** Runs until the file `go` is there, then says its version. */
const waiting = (folder: string, version: string) =>
  sh(`echo ${version} >> ${folder}/started; while [ ! -e ${folder}/go ]; do sleep 0.02; done; echo ${version}`);

describe('a hook that is changed while it runs', () => {
  it('N29: is disabled and enabled over the API for the next event, and loses none', async () => {
    await using scripts = await startScripts(() => ({
      hooks: { 'a.yaml': nlmon({ name: 'echo', script: 'echo x' }) },
    }));
    const { thread } = scripts;
    const post = (act: string) => () =>
      thread.api<HookView>(`/v1/hooks/trotline/echo/${act}`, { method: 'POST', body: '{"who":"test"}' });
    await scripts.emit();
    await scripts.outcomes(1);
    await scripts.changeHook('echo', post('disable'));
    await scripts.emit(2);
    await scripts.changeHook('echo', post('enable'));
    await scripts.emit();
    await scripts.outcomes(2);
    expect(await scripts.stats('echo')).toMatchObject({ executions: 2, successes: 2 });
    await eventually(async () => {
      const [node] = await thread.ledger();
      expect(node?.ledger.sources).toMatchObject([{ heard: 4, unmatched: 2, routed: 2, lost: {} }]);
      expect(node?.ledger.hooks).toMatchObject([{ routed: 2, pending: 0, outcomes: { delivered: 2 } }]);
    });
  });

  it('N34: is new for the next event, ends what runs as it was, and stays when its file turns bad', async () => {
    await using scripts = await startScripts((folder) => ({
      scripts: { 'old.sh': waiting(folder, 'old'), 'new.sh': sh('echo new') },
      hooks: { 'a.yaml': hook('edited', [`${folder}/old.sh`]) },
    }));
    const { thread, folder } = scripts;
    await scripts.emit();
    await eventually(async () => (await scripts.text('started')) === 'old\n');
    await scripts.changeHook('edited', () => thread.writeHook('a.yaml', hook('edited', [`${folder}/new.sh`])));
    await scripts.emit();
    expect(await scripts.attempts(1)).toMatchObject([{ output: 'new\n' }]);

    await thread.writeHook('a.yaml', hook('edited', [`${folder}/bad.sh`], { config: 'timeout: soon' }));
    await eventually(async () => expect((await thread.api<HooksView>('/v1/hooks')).refused).toHaveLength(1));
    await scripts.emit();
    expect((await scripts.attempts(2)).map(({ output }) => output)).toEqual(['new\n', 'new\n']);

    await scripts.write('go', '');
    expect((await scripts.attempts(3)).map(({ output }) => output)).toEqual(['old\n', 'new\n', 'new\n']);
  });

  it.each([
    ['refuse', { status: 'rejected', reason: expect.stringContaining('the file is writable by everyone') }],
    ['warn', { status: 'delivered', output: 'ran\n' }],
  ] as const)('N35: that everyone could rewrite runs as the policy says: %s', async (writable, result) => {
    await using scripts = await startScripts((folder) => ({
      scripts: { 'open.sh': sh('echo ran') },
      hooks: { 'a.yaml': hook('open', [`${folder}/open.sh`]) },
      policy: { writable },
    }));
    await chmod(join(scripts.folder, 'open.sh'), 0o757);
    await scripts.emit();
    expect(await scripts.attempts()).toMatchObject([result]);
  });

  it.each([
    ['outside of the allowed directories', ['/etc/hostname'], 'not below'],
    ['of shell text', null, 'refuses shell text'],
  ])('is refused by the policy of the node: %s', async (_, command, reason) => {
    await using scripts = await startScripts(() => ({
      hooks: { 'a.yaml': command ? hook('no', command) : nlmon({ name: 'no', script: 'echo ran; true' }) },
      policy: { shell: false },
    }));
    await scripts.emit();
    const [attempt] = await scripts.attempts();
    expect(attempt).toMatchObject({ status: 'rejected', reason: expect.stringContaining(reason), output: '' });
  });
});

describe('a stop of the sidecar while a script runs', () => {
  /** The first attempt runs until it is killed, the second ends at once. */
  const firstHangs = (folder: string) => ({
    scripts: {
      'hang.sh': sh(`[ $TROTLINE_ATTEMPT = 2 ] && exit 0
setsid sleep 60 &
trap '' TERM
sleep 60`),
    },
    hooks: { 'a.yaml': hook('hangs', [`${folder}/hang.sh`]) },
  });
  const zombies = () =>
    processes().filter((pid) => {
      const [state, parent] = procText(pid, 'stat').split(') ').at(-1)?.split(' ') ?? [];
      return state === 'Z' && parent === String(process.pid);
    });
  const running = (scripts: Scripts, count: number) => eventually(() => scripts.living().length >= count);

  it('N38: kills and reaps it at the deadline, and repeats it at the next start', async () => {
    await using scripts = await startScripts(firstHangs);
    await scripts.emit();
    await running(scripts, 3);
    const before = performance.now();
    await scripts.thread.stopSidecar(AbortSignal.timeout(300));
    expect(performance.now() - before).toBeLessThan(2000);
    expect(scripts.living()).toEqual([]);
    expect(zombies()).toEqual([]);

    await scripts.thread.startSidecar();
    const attempts = await scripts.attempts();
    expect(attempts).toMatchObject([
      { number: 1, status: 'interrupted', reason: 'the sidecar stopped during the attempt' },
      { number: 2, status: 'delivered' },
    ]);
    expect(attempts[1]?.deliveryId).toBe(attempts[0]?.deliveryId);
  });

  it('N38: waits for it when it ends before the deadline', async () => {
    await using scripts = await startScripts(() => ({ hooks: { 'a.yaml': hook('short', ['/bin/sleep', '0.5']) } }));
    await scripts.emit();
    await running(scripts, 1);
    await scripts.thread.stopSidecar(AbortSignal.timeout(5000));
    expect(await scripts.attempts()).toMatchObject([{ number: 1, status: 'delivered' }]);
    expect(zombies()).toEqual([]);
  });
});

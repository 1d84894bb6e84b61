import { afterEach, describe, expect, it, vi } from 'vitest';

import { eventually } from '../../kit/eventually.ts';
import { hook, nlmon, processes, procText, type Scripts, sh, startScripts } from './kit.ts';

/** A background child, one in a session of its own and one of an orphan; each would write a file after 1 s. */
const ESCAPES = (folder: string) =>
  sh(`late='sleep 1; echo late >> ${folder}/late'
(sh -c "$late") &
setsid sh -c "$late" &
(setsid sh -c "(sh -c '$late') & exit" &)
echo started
exec sleep 60`);

/** Until what the escaped processes wanted to write would be there. */
async function late(since: number): Promise<void> {
  await eventually(() => performance.now() > since + 1300);
}

async function outputOf(scripts: Scripts): Promise<unknown> {
  await scripts.emit();
  return (await scripts.attempts())[0];
}

describe('a timeout', () => {
  it('N20: ends a script of 60 s after 500 ms, and is counted', async () => {
    await using scripts = await startScripts(() => ({
      hooks: { 'a.yaml': hook('slow', ['/bin/sleep', '60'], { config: 'timeout: 500ms' }) },
    }));
    await scripts.emit();
    const [attempt] = await scripts.attempts();
    expect(attempt).toMatchObject({ status: 'rejected', timedOut: true });
    expect(attempt?.reason).toMatch(/^timed out after 5\d\d ms$/);
    expect(attempt?.durationMs).toBeGreaterThanOrEqual(500);
    expect(attempt?.durationMs).toBeLessThan(700);
    expect(await scripts.stats('slow')).toMatchObject({ executions: 1, successes: 0, failures: 0, timeouts: 1 });
  });

  it('N21: leaves no descendant, whatever session it is in, and no file later', async () => {
    await using scripts = await startScripts((folder) => ({
      scripts: { 'escape.sh': ESCAPES(folder) },
      hooks: { 'a.yaml': hook('escapes', [`${folder}/escape.sh`], { config: 'timeout: 400ms' }) },
    }));
    await scripts.emit();
    await eventually(() => scripts.living().length >= 6);
    const startedAt = performance.now();
    expect(await scripts.attempts()).toMatchObject([{ timedOut: true, output: 'started\n' }]);
    expect(scripts.living()).toEqual([]);
    await late(startedAt);
    expect(await scripts.text('late')).toBe('');
  });

  it('N21: is not needed for that: what a script leaves running ends with it', async () => {
    await using scripts = await startScripts((folder) => ({
      scripts: { 'escape.sh': ESCAPES(folder).replace('exec sleep 60', 'exit 0') },
      hooks: { 'a.yaml': hook('escapes', [`${folder}/escape.sh`]) },
    }));
    const startedAt = performance.now();
    expect(await outputOf(scripts)).toMatchObject({ status: 'delivered' });
    expect(scripts.living()).toEqual([]);
    await late(startedAt);
    expect(await scripts.text('late')).toBe('');
  });

  it('N22: is SIGKILL at once, which no script can ignore', async () => {
    await using scripts = await startScripts((folder) => ({
      scripts: { 'stubborn.sh': sh(`trap 'echo asked' TERM INT HUP; while :; do sleep 0.1; done`) },
      hooks: { 'a.yaml': hook('stubborn', [`${folder}/stubborn.sh`], { config: 'timeout: 300ms' }) },
    }));
    expect(await outputOf(scripts)).toMatchObject({ status: 'rejected', timedOut: true, output: '' });
    expect(scripts.living()).toEqual([]);
  });

  describe('when the wall clock of the sidecar is set forward by an hour', () => {
    afterEach(() => void vi.restoreAllMocks());

    it('ends no script that has time left', async () => {
      await using scripts = await startScripts((folder) => ({
        scripts: { 'wait.sh': sh(`while [ ! -e ${folder}/go ]; do sleep 0.02; done`) },
        hooks: { 'a.yaml': hook('waits', [`${folder}/wait.sh`], { config: 'timeout: 5s' }) },
      }));
      await scripts.emit();
      await eventually(() => scripts.living().length > 0);
      const before = performance.now();
      const { now } = Date;
      vi.spyOn(Date, 'now').mockImplementation(() => now() + 3_600_000);
      // So long that a timeout which followed the wall clock would have ended it.
      await eventually(() => performance.now() > before + 300);
      expect(scripts.living()).not.toEqual([]);
      await scripts.write('go', '');
      const [attempt] = await scripts.attempts();
      expect(attempt).toMatchObject({ status: 'delivered', timedOut: false });
      expect(attempt?.durationMs).toBeLessThan(3000);
    });
  });
});

describe('the output of a script', () => {
  it('N24: is in the history, both streams', async () => {
    await using scripts = await startScripts((folder) => ({
      scripts: { 'speak.sh': sh('echo one; echo two >&2; printf "\\303\\274 \\377"') },
      hooks: { 'a.yaml': hook('speaks', [`${folder}/speak.sh`]) },
    }));
    expect(await outputOf(scripts)).toMatchObject({ detail: 'exit 0', output: 'one\ntwo\nü \ufffd' });
  });

  it('N24: is cut off at 64 KiB, and 1 MB of it is read to the end', async () => {
    await using scripts = await startScripts((folder) => ({
      scripts: { 'much.sh': sh('head -c 1000000 /dev/zero | tr "\\0" x; head -c 1000000 /dev/zero >&2; exit 3') },
      hooks: { 'a.yaml': hook('speaks', [`${folder}/much.sh`], { config: 'timeout: 5s' }) },
    }));
    expect(await outputOf(scripts)).toMatchObject({ reason: 'exit 3', output: 'x'.repeat(65_536), timedOut: false });
    const [attempt] = await scripts.attempts();
    expect(attempt?.detail).toBe('exit 3, output cut off');
  });
});

describe('the end of a script', () => {
  it('N25: is a success with exit 0 and a failure otherwise: exit, signal, 127', async () => {
    await using scripts = await startScripts((folder) => ({
      scripts: { 'zero.sh': sh('exit 0'), 'other.sh': sh('exit 3'), 'signal.sh': sh('kill -TERM $$') },
      hooks: {
        'a.yaml': ['zero', 'other', 'signal'].map((name) => hook(name, [`${folder}/${name}.sh`])).join('---\n'),
        'b.yaml': nlmon({ name: 'missing', script: 'no-such-command --at-all' }),
      },
    }));
    await scripts.emit();
    const details = await Promise.all(
      ['zero', 'other', 'signal', 'missing'].map(async (name) => {
        const [attempt] = await scripts.attempts(4, name);
        const { executions, successes, failures, timeouts } = await scripts.stats(name);
        return [attempt?.detail, executions, successes, failures, timeouts];
      }),
    );
    expect(details).toEqual([
      ['exit 0', 1, 1, 0, 0],
      ['exit 3', 1, 0, 1, 0],
      ['killed by SIGTERM', 1, 0, 1, 0],
      ['exit 127', 1, 0, 1, 0],
    ]);
  });

  it('is told apart from a start that failed, with what to do', async () => {
    await using scripts = await startScripts((folder) => ({
      scripts: { 'plain.sh': 'echo no first line\n', 'interpreter.sh': '#!/no/such/shell\n' },
      hooks: {
        'a.yaml': ['plain', 'interpreter'].map((name) => hook(name, [`${folder}/${name}.sh`])).join('---\n'),
        'b.yaml': hook('gone', [`${folder}/gone.sh`]),
      },
    }));
    await scripts.emit();
    const reason = async (name: string) => (await scripts.attempts(3, name))[0]?.reason;
    expect(await reason('plain')).toContain('execve ENOEXEC (it is no program; a script begins with');
    expect(await reason('interpreter')).toContain('execve ENOENT (the program, its interpreter');
    expect(await reason('gone')).toMatch(/gone\.sh cannot be checked: ENOENT/);
  });

  it('is interrupted, and repeated under the same delivery id, when the spawner is lost', async () => {
    await using scripts = await startScripts((folder) => ({
      scripts: { 'once.sh': sh(`[ "$TROTLINE_ATTEMPT" = 1 ] && exec sleep 60; exit 0`) },
      hooks: { 'a.yaml': hook('lost', [`${folder}/once.sh`]) },
    }));
    await scripts.emit();
    await eventually(() => scripts.living().length > 0);
    const spawner = processes().find((pid) => procText(pid, 'cmdline').includes(scripts.thread.folder));
    process.kill(spawner ?? 0, 'SIGKILL');
    const attempts = await scripts.attempts();
    expect(attempts).toMatchObject([
      { number: 1, status: 'interrupted', reason: 'the spawner ended while the program ran: SIGKILL' },
      { number: 2, status: 'delivered' },
    ]);
    expect(new Set(attempts.map(({ deliveryId }) => deliveryId)).size).toBe(1);
  });
});

import { chmodSync, copyFileSync, existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { SpawnRequest } from '#native';

import { builtFile } from '../../native/addon.ts';
import { eventually } from '../kit/eventually.ts';
import {
  escapes,
  folder,
  lockFile,
  marked,
  never,
  open,
  procText,
  program,
  running,
  setUpSpawners,
  shell,
} from './spawner-scenarios.ts';

const root = process.getuid?.() === 0;
if (!root) console.warn('spawner: tests of users and of limits on processes are skipped, they need root');

setUpSpawners();

/** A spawner of user 65534, group 65533 and a further group, without capabilities. */
function unprivileged(): string {
  const copy = join(folder, 'trotline-spawner');
  copyFileSync(builtFile('trotline-spawner'), copy);
  // Its user has to reach it, wherever the working copy lies.
  chmodSync(folder, 0o755);
  const wrapper = join(folder, 'unprivileged.sh');
  const user = '--reuid=65534 --regid=65533 --groups=65533,65531 --inh-caps=-all --bounding-set=-all';
  writeFileSync(wrapper, `#!/bin/sh\nexec setpriv ${user} -- ${copy} "$@"\n`, { mode: 0o755 });
  return wrapper;
}

describe('how a program ends', () => {
  it('gives exit codes as they are', async () => {
    const spawner = await open();
    for (const code of [0, 1, 75, 126, 127, 255]) {
      const ended = await spawner.run(shell(`exit ${code}`), never);
      expect(ended).toMatchObject({ exitCode: code, signal: null, startError: null, timedOut: false });
    }
  });

  it('names the signal that killed it', async () => {
    const spawner = await open();
    expect(await spawner.run(shell('kill -TERM $$'), never)).toMatchObject({ exitCode: null, signal: 'SIGTERM' });
    expect(await spawner.run(shell('kill -SEGV $$'), never)).toMatchObject({ signal: 'SIGSEGV', timedOut: false });
  });

  it('tells a program that could not start from one that failed', async () => {
    const spawner = await open();
    const plain = join(folder, 'plain');
    writeFileSync(plain, 'no program', { mode: 0o755 });
    const cases: [SpawnRequest, string, string][] = [
      [program(['/nowhere']), 'execve', 'ENOENT'],
      [program(['/etc/passwd']), 'execve', 'EACCES'],
      [program([plain]), 'execve', 'ENOEXEC'],
      [program(['/bin/true', 'x'.repeat(200_000)]), 'execve', 'E2BIG'],
      [program(['/bin/true'], { directory: '/nowhere' }), 'chdir', 'ENOENT'],
    ];
    for (const [request, syscall, code] of cases) {
      const ended = await spawner.run(request, never);
      expect(ended).toMatchObject({ exitCode: null, signal: null, startError: { syscall, code, transient: false } });
    }
  });

  it.runIf(root)('calls a start that failed for want of resources transient', async () => {
    const spawner = await open();
    const limits = { processes: 1 };
    const busy = await running(spawner, shell('sleep 20', { uid: 65_533, gid: 65_533 }));
    const ended = await spawner.run(program(['/bin/true'], { uid: 65_533, gid: 65_533, limits }), never);
    expect(ended.startError).toEqual({ syscall: 'execve', code: 'EAGAIN', transient: true });
    await spawner.stop();
    expect(await busy.ended).toMatchObject({ signal: 'SIGKILL' });
  });

  it('measures how long it ran', async () => {
    const ended = await (await open()).run(program(['/bin/sleep', '0.1']), never);
    expect(ended.durationMs).toBeGreaterThan(99);
    expect(ended.durationMs).toBeLessThan(200);
  });

  it('refuses what no program can be given', async () => {
    const spawner = await open();
    const refused: [Partial<SpawnRequest>, RegExp][] = [
      [{ argv: [] }, /argv is empty/],
      [{ argv: ['/bin/echo', 'a\0b'] }, /argv\[1\] holds a NUL byte/],
      [{ env: { A: 'a\0b' } }, /variable "A" holds a NUL byte/],
      [{ env: { 'A=B': '' } }, /"A=B" cannot name/],
      [{ uid: 1 }, /uid 1 without a gid/],
      [{ timeoutMs: 0.5 }, /timeoutMs is 0.5, expected an integer from 1/],
      [{ outputLimit: 1e9 }, /outputLimit is 1000000000/],
      [{ stdin: 'x'.repeat(9e6) }, /at most 8388608/],
    ];
    for (const [more, message] of refused) {
      await expect(spawner.run(program(['/bin/true'], more), never)).rejects.toThrow(message);
    }
    expect(await spawner.run(program(['/bin/true']), never)).toMatchObject({ exitCode: 0 });
  });
});

describe('what a program is given', () => {
  it('has its arguments literally and exactly its environment', async () => {
    process.env['SPAWNER_TEST_SECRET'] = 'secret';
    const spawner = await open();
    delete process.env['SPAWNER_TEST_SECRET'];
    const hostile = ['$(id)', 'a;reboot', "'", '"', '`id`', '', ' ', '*', 'ü\n'];
    const echoed = await spawner.run(program(['/usr/bin/printf', '%s|', ...hostile]), never);
    expect(echoed.output).toBe(`${hostile.join('|')}|`);
    const dumped = await spawner.run(program(['/usr/bin/env'], { env: { A: '$(id)', B: 'x=y', C: '' } }), never);
    expect(dumped.output.split('\n').sort()).toEqual(['', 'A=$(id)', 'B=x=y', 'C=']);
  });

  it('has its share of the processors without interrupting whoever runs', async () => {
    // Field 41 of proc_pid_stat(5): 3 is SCHED_BATCH.
    const asked = await (await open()).run(shell('set -- $(cat /proc/self/stat); shift 40; echo $1'), never);
    expect(asked.output).toBe('3\n');
  });

  it('has three descriptors, of which the first is /dev/null', async () => {
    const spawner = await open({ lockFile });
    // The last one is that of the listing itself.
    const listed = await spawner.run(shell('ls /proc/self/fd; readlink /proc/self/fd/0'), never);
    expect(listed.output).toBe('0\n1\n2\n3\n/dev/null\n');
    const opened = await spawner.run(
      shell('for f in 0 1 2 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$f ] && echo $f; done; true'),
      never,
    );
    expect(opened.output).toBe('0\n1\n2\n');
  });

  it('reads the given input to its end', async () => {
    const spawner = await open();
    expect((await spawner.run(program(['/bin/cat'], { stdin: '{"é":1}' }), never)).output).toBe('{"é":1}');
    expect((await spawner.run(program(['/usr/bin/wc', '-c'], { stdin: 'x'.repeat(2_000_000) }), never)).output).toBe(
      '2000000\n',
    );
    expect(await spawner.run(program(['/bin/true'], { stdin: 'x'.repeat(2_000_000) }), never)).toMatchObject({
      exitCode: 0,
    });
    expect(await spawner.run(shell('cat; readlink /proc/self/fd/0', { stdin: '' }), never)).toMatchObject({
      output: expect.stringMatching(/^pipe:/),
    });
  });

  it('has default signals, an umask of 022, a session of its own and / as its directory', async () => {
    const spawner = await open();
    const { output } = await spawner.run(shell('umask; pwd; grep -E "^Sig(Blk|Ign)" /proc/self/status'), never);
    const none = '0000000000000000';
    expect(output.replaceAll('\t', ' ')).toBe(`0022\n/\nSigBlk: ${none}\nSigIgn: ${none}\n`);
    const leader = await spawner.run(shell('echo $$; cut -d" " -f5,6 /proc/$$/stat'), never);
    const [pid] = leader.output.split('\n');
    expect(leader.output).toBe(`${pid}\n${pid} ${pid}\n`);
    expect((await spawner.run(shell('pwd', { directory: folder }), never)).output).toBe(`${folder}\n`);
  });

  it('obeys its limits', async () => {
    const spawner = await open();
    const limits = { openFiles: 20, fileBytes: 4096, memoryBytes: 2 ** 33, cpuSeconds: 7 };
    const { output } = await spawner.run(
      shell('ulimit -n; ulimit -H -n; ulimit -f; ulimit -v; ulimit -t', { limits }),
      never,
    );
    expect(output).toBe('20\n20\n8\n8388608\n7\n');
    const large = join(folder, 'large');
    const written = await spawner.run(program(['/bin/dd', 'if=/dev/zero', `of=${large}`], { limits }), never);
    expect(written.signal).toBe('SIGXFSZ');
    expect(statSync(large).size).toBe(4096);
    const looping = await spawner.run(shell('while :; do :; done', { limits: { cpuSeconds: 1 } }), never);
    expect(looping).toMatchObject({ signal: 'SIGXCPU', timedOut: false });
  });

  it.runIf(root)('runs as the given user and groups, without capabilities', async () => {
    const spawner = await open();
    const user = { uid: 65_534, gid: 65_533, groups: [65_532, 65_531] };
    const { output } = await spawner.run(shell('id -u; id -g; id -G; grep CapEff /proc/self/status', user), never);
    expect(output).toBe('65534\n65533\n65533 65531 65532\nCapEff:\t0000000000000000\n');
    const alone = await spawner.run(shell('id -G', { uid: 65_534, gid: 65_534 }), never);
    expect(alone.output).toBe('65534\n');
  });

  it.runIf(root)(
    'runs as its own user where it may not change users, with the groups it has, and as nobody else',
    async () => {
      const spawner = await open({ binary: unprivileged() });
      const own = { uid: 65_534, gid: 65_533, groups: [65_533] };
      const { output, startError } = await spawner.run(shell('id -u; id -g; id -G', own), never);
      expect(startError).toBe(null);
      expect(output).toBe('65534\n65533\n65533 65531\n');
      for (const other of [
        { ...own, uid: 65_530 },
        { ...own, gid: 65_531 },
      ]) {
        const refused = await spawner.run(shell('id -u', other), never);
        expect(refused.startError).toMatchObject({ syscall: 'setgroups', code: 'EPERM' });
      }
    },
  );
});

describe('output', () => {
  it('keeps both streams in order, up to the limit, and reads on', async () => {
    const spawner = await open();
    expect((await spawner.run(shell('echo a; echo b >&2; echo c'), never)).output).toBe('a\nb\nc\n');
    const large = await spawner.run(shell('head -c 1000000 /dev/zero | tr "\\0" x; echo end >&2'), never);
    expect(large).toMatchObject({ exitCode: 0, outputTruncated: true });
    expect(large.output).toBe('x'.repeat(65_536));
    const exact = await spawner.run(shell('printf 12345', { outputLimit: 5 }), never);
    expect(exact).toMatchObject({ output: '12345', outputTruncated: false });
    expect(await spawner.run(shell('printf 12345', { outputLimit: 0 }), never)).toMatchObject({
      output: '',
      outputTruncated: true,
    });
    const most = await spawner.run(shell('head -c 1048577 /dev/zero | tr "\\0" y', { outputLimit: 1_048_576 }), never);
    expect(most.output.length).toBe(1_048_576);
    expect(most.outputTruncated).toBe(true);
  });

  it('keeps the streams apart when asked to, each up to its own limit', async () => {
    const spawner = await open();
    const apart = { errorLimit: 4 };
    expect(await spawner.run(shell('echo a; echo b >&2; echo c'), never)).toMatchObject({ errorOutput: '' });
    expect(await spawner.run(shell('echo a; echo b >&2; echo c', apart), never)).toMatchObject({
      output: 'a\nc\n',
      errorOutput: 'b\n',
      outputTruncated: false,
    });
    expect(await spawner.run(shell('echo a; echo 12345678 >&2', apart), never)).toMatchObject({
      output: 'a\n',
      errorOutput: '1234',
      outputTruncated: true,
    });
    const most = { outputLimit: 1_048_576, errorLimit: 1_048_576 };
    const both = 'head -c 1048577 /dev/zero | tr "\\0" y | tee /dev/stderr';
    const large = await spawner.run(shell(both, most), never);
    expect([large.output.length, large.errorOutput.length]).toEqual([1_048_576, 1_048_576]);
    expect((await spawner.run(program(['/nowhere'], apart), never)).startError).toMatchObject({ code: 'ENOENT' });
  });

  it('does not let endless output delay the timeout', async () => {
    const ended = await (await open()).run(program(['/usr/bin/yes'], { timeoutMs: 300 }), never);
    expect(ended).toMatchObject({ timedOut: true, signal: 'SIGKILL', outputTruncated: true });
    expect(ended.durationMs).toBeLessThan(500);
  });
});

describe('the end of a tree', () => {
  it('comes with the timeout, within 0.2 s', async () => {
    const startedAt = performance.now();
    const ended = await (await open()).run(program(['/bin/sleep', '60'], { timeoutMs: 500 }), never);
    const elapsed = performance.now() - startedAt;
    expect(ended).toMatchObject({ exitCode: null, signal: 'SIGKILL', timedOut: true });
    expect(elapsed).toBeGreaterThan(500);
    expect(elapsed).toBeLessThan(700);
  });

  it('leaves no descendant that could still write a file', async () => {
    const spawner = await open();
    const file = join(folder, 'late');
    const startedAt = performance.now();
    const ended = await spawner.run(shell(`${escapes(file)} sleep 60`, { timeoutMs: 300 }), never);
    expect(ended.timedOut).toBe(true);
    expect(marked()).toEqual([]);
    await eventually(() => performance.now() > startedAt + 1400);
    expect(existsSync(file)).toBe(false);
  });

  it('comes when the program exits by itself', async () => {
    const ended = await (await open()).run(shell(`${escapes('/dev/null')} exit 3`), never);
    expect(ended).toMatchObject({ exitCode: 3, signal: null, timedOut: false });
    expect(ended.durationMs).toBeLessThan(500);
    expect(marked()).toEqual([]);
  });

  it('needs no SIGTERM', async () => {
    const request = shell('trap "" TERM INT HUP; while :; do sleep 1; done', { timeoutMs: 300 });
    expect(await (await open()).run(request, never)).toMatchObject({ timedOut: true, signal: 'SIGKILL' });
    expect(marked()).toEqual([]);
  });

  it('catches a process that forks and exits for ever', async () => {
    const hopper = join(folder, 'hopper');
    writeFileSync(hopper, '#!/bin/sh\nsetsid "$0" &\n', { mode: 0o755 });
    const spawner = await open();
    for (let round = 0; round < 20; round++) {
      expect(await spawner.run(program([hopper]), never)).toMatchObject({ exitCode: 0 });
      expect(marked()).toEqual([]);
    }
  });

  it.runIf(root)('defeats a fork bomb', async () => {
    const bomb = join(folder, 'bomb');
    writeFileSync(bomb, '#!/bin/sh\nsetsid "$0" &\nsetsid "$0" &\nexec sleep 60\n', { mode: 0o755 });
    const user = { uid: 65_532, gid: 65_532, limits: { processes: 200 }, timeoutMs: 500 };
    await (await open()).run(program(['/bin/sh', '-c', `${bomb}; sleep 60`], user), never);
    expect(marked()).toEqual([]);
  });

  it('comes with an abort, as SIGKILL', async () => {
    const spawner = await open();
    const halt = new AbortController();
    const job = await running(spawner, shell(`${escapes('/dev/null')} sleep 60`), halt.signal, 4);
    halt.abort();
    expect(await job.ended).toMatchObject({ exitCode: null, signal: 'SIGKILL', timedOut: false });
    expect(marked()).toEqual([]);
    const file = join(folder, 'never');
    expect(await spawner.run(shell(`echo > ${file}`), halt.signal)).toMatchObject({ signal: 'SIGKILL' });
    expect(existsSync(file)).toBe(false);
  });

  it('comes with a stop, which resolves what ran', async () => {
    const spawner = await open();
    const jobs = await Promise.all(
      Array.from({ length: 3 }, () => running(spawner, shell(`${escapes('/dev/null')} sleep 60`))),
    );
    const { pid } = spawner;
    await Promise.all([spawner.stop(), spawner.stop()]);
    expect(marked()).toEqual([]);
    expect(procText(pid ?? 0, 'stat')).toBe('');
    for (const job of jobs) expect(await job.ended).toMatchObject({ signal: 'SIGKILL' });
    await expect(spawner.run(program(['/bin/true']), never)).rejects.toThrow('the spawner is stopped');
    await spawner.stop();
  });
});

/** `trotline-hook` against a real node, and against everything that is none. */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it, onTestFinished } from 'vitest';

import { builtFile } from '../../native/addon.ts';
import { bash, GUARD_HOOK, socketOf, startNode } from '../integration/agent/kit.ts';

const CLIENT = builtFile('trotline-hook');

interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
}

/** `input` null: stdin stays open. */
function run(argv: readonly string[], input: string | null, env: NodeJS.ProcessEnv = {}): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const startedAt = performance.now();
    const child = spawn(CLIENT, argv, { env, stdio: ['pipe', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += String(chunk)));
    child.stderr.on('data', (chunk: Buffer) => (stderr += String(chunk)));
    child.stdin.on('error', () => undefined);
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr, ms: performance.now() - startedAt }));
    if (input !== null) child.stdin.end(input);
  });
}

/** A socket where something answers as this says. */
async function serve(answer: (socket: Socket) => void): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'hook-'));
  const path = join(folder, 's.sock');
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket.on('error', () => undefined));
    answer(socket);
  });
  await new Promise<void>((resolve) => server.listen(path, () => resolve()));
  onTestFinished(async () => {
    for (const socket of open) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
    await rm(folder, { recursive: true, force: true });
  });
  return path;
}

const QUESTION = JSON.stringify(bash('rm -rf /'));

describe('trotline-hook', () => {
  it('says what the node says, in each dialect', async () => {
    await using node = await startNode({ hooks: { 'guard.yaml': GUARD_HOOK } });
    const socket = socketOf(node);
    const denied = await run(['--socket', socket], QUESTION);
    expect(denied).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(denied.stdout)).toMatchObject({ hookSpecificOutput: { permissionDecision: 'deny' } });
    expect(await run([], JSON.stringify(bash('ls')), { TROTLINE_AGENT_SOCKET: socket })).toMatchObject({
      code: 0,
      stdout: '{}',
      stderr: '',
    });
    const kagent = await run([`--socket=${socket}`, '--dialect', 'kagent'], QUESTION);
    expect(JSON.parse(kagent.stdout)).toMatchObject({ decision: 'block' });
    const gemini = JSON.stringify(bash('rm -rf /', { hook_event_name: 'BeforeTool' }));
    expect(JSON.parse((await run(['--socket', socket, '--dialect', 'gemini-cli'], gemini)).stdout)).toMatchObject({
      decision: 'deny',
    });
  });

  it('passes large questions on whole', async () => {
    await using node = await startNode({ hooks: { 'guard.yaml': GUARD_HOOK } });
    const large = JSON.stringify(bash(`echo ${'x'.repeat(3_000_000)}; rm -rf /`));
    const { stdout, code } = await run(['--socket', socketOf(node), '--timeout', '20s'], large);
    expect(code).toBe(0);
    expect(stdout).toMatch(/"permissionDecision":"(deny|ask)"/);
  });

  it('tells a question that the node refuses with its place', async () => {
    await using node = await startNode({ hooks: { 'guard.yaml': GUARD_HOOK } });
    const argv = ['--socket', socketOf(node), '--on-failure', 'closed'];
    expect(await run(argv, '{"hook_event_name":')).toMatchObject({ code: 2, stdout: '' });
    expect((await run(argv, '{"hook_event_name":')).stderr).toMatch(
      /^trotline-hook: blocked: the node answered 400: .*"line":1/,
    );
  });

  const hostile: readonly (readonly [string, (socket: Socket) => void, RegExp])[] = [
    ['closes at once', (socket) => socket.destroy(), /closed without an answer|cut|Connection reset/],
    ['never answers', () => undefined, /did not answer in time/],
    ['answers one byte and no more', (socket) => socket.write('H'), /did not answer in time/],
    ['speaks something else', (socket) => socket.end('SSH-2.0-OpenSSH\r\n\r\n'), /no node of ours/],
    [
      'has an endless head',
      (socket) => socket.write(`HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(20_000)}`),
      /no node of ours/,
    ],
    [
      'gives no length',
      (socket) => socket.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n'),
      /no node of ours/,
    ],
    [
      'gives a length that is none',
      (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n{}'),
      /no node of ours/,
    ],
    ['cuts its answer', (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{}'), /is cut/],
    [
      'has no hooks yet',
      (socket) => socket.end('HTTP/1.1 503 x\r\ncontent-length: 2\r\n\r\n\u001b\n'),
      /answered 503: {3}$/m,
    ],
  ];

  it.each(hostile)('that is answered by what %s does as --on-failure says', async (_how, answer, why) => {
    const socket = await serve(answer);
    const open = await run(['--socket', socket, '--timeout', '300ms'], QUESTION);
    expect(open).toMatchObject({ code: 0, stdout: '' });
    expect(open.stderr).toMatch(/^trotline-hook: not asked, goes on: [^\n]*\n$/);
    expect(open.stderr).toMatch(why);
    const closed = await run(['--socket', socket, '--timeout', '300ms', '--on-failure', 'closed'], QUESTION);
    expect(closed).toMatchObject({ code: 2, stdout: '' });
    expect(closed.stderr).toMatch(/^trotline-hook: blocked: /);
    expect(closed.ms).toBeLessThan(2000);
  });

  it('takes an answer that comes byte by byte', async () => {
    const socket = await serve((client) => {
      const bytes = Array.from('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}');
      const next = (): void => {
        const byte = bytes.shift();
        if (byte !== undefined) client.write(byte, () => setImmediate(next));
      };
      next();
    });
    expect(await run(['--socket', socket], QUESTION)).toMatchObject({ code: 0, stdout: '{}', stderr: '' });
  });

  it('does not wait for a question that never ends', async () => {
    const { code, stderr, ms } = await run(['--timeout', '200ms', '--on-failure', 'closed'], null);
    expect([code, stderr]).toEqual([2, 'trotline-hook: blocked: the question did not end in time\n']);
    expect(ms).toBeLessThan(2000);
  });

  it.each([
    [['--sokcet', '/x'], 'unknown option --sokcet'],
    [['--socket'], '--socket has no value'],
    [['--socket', 'relative'], '--socket is "relative", expected an absolute path'],
    [['--dialect', 'klingon'], '--dialect is "klingon", expected claude-code, kagent, gemini-cli or neutral'],
    [['--on-failure', 'maybe'], '--on-failure is "maybe", expected open or closed'],
    [['--timeout', '5'], '--timeout is "5", expected like 10s or 500ms'],
    [['word'], 'unexpected "word"'],
  ])('refuses %j in one line', async (argv, problem) => {
    const { code, stdout, stderr } = await run(argv, '');
    expect([code, stdout]).toEqual([64, '']);
    expect(stderr).toMatch(/^trotline-hook: [^\n]* \(see --help\)\n$/);
    expect(stderr).toContain(problem);
  });

  it('has the version of the package, and a help with two examples', async () => {
    const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string };
    expect((await run(['--version'], '')).stdout).toBe(`trotline-hook ${version}\n`);
    expect((await run(['--help'], '')).stdout.match(/^ {2}trotline-hook /gm)).toHaveLength(2);
  });
});

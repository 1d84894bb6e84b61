import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir, symlink } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect, type Socket } from 'node:net';
import { dirname, join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { AppError, VERSION } from '#core';
import { policyForUp } from '#sidecar';

import { DIALECTS } from '../../plugins/sources/agent/dialects/index.ts';
import { close, createHookServer, listenAt } from '../../plugins/sources/agent/server.ts';
import { ask, bash, GUARD_HOOK, socketOf, startNode } from '../integration/agent/kit.ts';
import { eventually } from '../kit/eventually.ts';
import { answering, CLIENT, ended, http, place, run, serve, start } from './hook-scenarios.ts';

const json = JSON.stringify;
const SIGALRM_BIT = 1n << 13n;

function caughtBy(pid: number): bigint {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return BigInt(`0x${/^SigCgt:\s*(\w+)/m.exec(status)?.[1] ?? '0'}`);
}

const OPEN = /^trotline-hook: .*; not asked, goes on \(--on-failure open\)\n$/;
const CLOSED = /^trotline-hook: .*; blocked \(--on-failure closed\)\n$/;
const AFTER = `
apiVersion: trotline.dev/v1alpha1
kind: EventHook
metadata: { name: after }
spec:
  source: agent
  eventTypes: [PostToolUse]
  actions:
    - type: script
      config: { command: [/bin/sh, -c, "cat >/dev/null; echo 'look at it' >&2; exit 2"], protocol: claude-command }
`;

describe('the client of a real sidecar', () => {
  it('A6: says of each command what the sidecar tells those who ask it themselves', async () => {
    await using node = await startNode({ hooks: { 'guard.yaml': GUARD_HOOK } });
    for (const command of ['rm -rf /', 'sudo systemctl restart nginx', 'npm test']) {
      const { body } = await ask(node, bash(command));
      const { status, stdout, stderr } = await run(['--socket', socketOf(node)], { stdin: json(bash(command)) });
      expect({ status, stdout: JSON.parse(stdout) as unknown, stderr }).toEqual({
        status: 0,
        stdout: body,
        stderr: '',
      });
    }
  });

  it('names the dialect, and ends with 2 where the JSON of the runtime cannot block', async () => {
    await using node = await startNode({
      hooks: { 'guard.yaml': GUARD_HOOK, 'after.yaml': AFTER },
      policy: policyForUp({ hooksDirectory: '/usr/bin', user: 'root' }),
    });
    const as = (dialect: string, event: object) =>
      run(['--socket', socketOf(node), '--dialect', dialect], { stdin: json(event) });

    const kagent = await as('kagent', bash('rm -rf /'));
    expect(kagent).toMatchObject({ status: 0, stdout: expect.stringContaining('"decision":"block"') as unknown });
    const after = await as('kagent', bash('make', { hook_event_name: 'PostToolUse' }));
    expect(after).toEqual({ status: 2, stdout: '{}', stderr: 'trotline-hook: look at it\n' });

    const gemini = await as('gemini-cli', bash('rm -rf /', { hook_event_name: 'BeforeTool' }));
    expect(gemini).toMatchObject({ status: 0, stdout: expect.stringContaining('"decision":"deny"') as unknown });

    const neutral = await as('neutral', { hook_type: 'PreToolUse', payload: { command: 'rm -rf /' } });
    expect(neutral).toMatchObject({ status: 2, stderr: expect.stringContaining('delete-system') as unknown });
    expect(JSON.parse(neutral.stdout)).toMatchObject({ success: false, security_decision: 'DENY' });
    const harmless = await as('neutral', { hook_type: 'PreToolUse', payload: { command: 'ls' } });
    expect(harmless).toMatchObject({ status: 0, stderr: '' });
  });

  it('sends events of megabytes whole', async () => {
    await using node = await startNode({ hooks: { 'guard.yaml': GUARD_HOOK } });
    const stdin = json(bash('rm -rf /', { padding: 'x'.repeat(7_000_000) }));
    const { status, stdout } = await run(['--socket', socketOf(node)], { stdin });
    expect({ status, stdout }).toEqual({ status: 0, stdout: expect.stringContaining('"deny"') as unknown });
  });

  it('finds the socket where `trotline up` puts it, or where the environment says', async () => {
    await using node = await startNode({ hooks: { 'guard.yaml': GUARD_HOOK } });
    const stdin = json(bash('rm -rf /'));
    const denied = { status: 0, stdout: expect.stringContaining('"deny"') as unknown };
    expect(await run([], { stdin, env: { TROTLINE_DATA: node.folder } })).toMatchObject(denied);
    expect(await run([], { stdin, env: { TROTLINE_AGENT_SOCKET: socketOf(node) } })).toMatchObject(denied);
  });

  it('passes on why the sidecar refused', async () => {
    await using node = await startNode({ hooks: { 'guard.yaml': GUARD_HOOK } });
    const { status, stdout, stderr } = await run(['--socket', socketOf(node)], { stdin: '{"hook' });
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
    expect(stderr).toMatch(OPEN);
    expect(stderr).toMatch(/the sidecar refused \(400\): .*no JSON.*"column":7/);
  });
});

describe('the client of the real server', () => {
  async function serveHooks(maxBodyBytes: number, handle: Parameters<typeof createHookServer>[0]['handle']) {
    const where = await place();
    const server = createHookServer({ maxBodyBytes, handle });
    await listenAt(server, { path: where.socket, mode: 0o600, group: null });
    return {
      socket: where.socket,
      async [Symbol.asyncDispose]() {
        await close(server);
        await where[Symbol.asyncDispose]();
      },
    };
  }

  it('asks once, says the rest of its time, and gives the reason on one line without controls', async () => {
    const asked: unknown[] = [];
    await using node = await serveHooks(1000, async ({ method, url, headers }, body) => {
      asked.push({ method, url, type: headers['content-type'], body: await body() });
      const reason = encodeURIComponent('no\u001B[31m red\r\nä \u009B8m %');
      return { status: 200, body: { a: 1 }, headers: { 'trotline-exit': '2', 'trotline-reason': reason } };
    });
    const args = ['--socket', node.socket, '--dialect', 'kagent', '--timeout=2m'];
    expect(await run(args, { stdin: '{"x":"ä"}' })).toEqual({
      status: 2,
      stdout: '{"a":1}',
      stderr: 'trotline-hook: no [31m red  ä   8m %\n',
    });
    const url = expect.stringMatching(/^\/v1\/hooks\?timeout=1(19|20)\.\d{3}&dialect=kagent$/) as unknown;
    expect(asked).toEqual([{ method: 'POST', url, type: 'application/json', body: { x: 'ä' } }]);
  });

  it('is refused with more than the server takes, while it still sends', async () => {
    await using node = await serveHooks(65_536, async (_request, body) => ({ status: 200, body: await body() }));
    const stdin = json({ padding: 'x'.repeat(6_000_000) });
    const { status, stderr } = await run(['--socket', node.socket, '--on-failure', 'closed'], { stdin });
    expect({ status, stderr }).toEqual({ status: 2, stderr: expect.stringMatching(CLOSED) as unknown });
    expect(stderr).toContain('(413): {"error":"the request is larger than 65536 bytes"}');
  });

  it('fails as it was told while the sidecar has no hooks yet', async () => {
    await using node = await serveHooks(1000, () => {
      throw new AppError('PEER_UNAVAILABLE', 'the first hooks are not here');
    });
    const { status, stderr } = await run(['--socket', node.socket, '--on-failure=closed']);
    expect({ status, stderr }).toEqual({ status: 2, stderr: expect.stringContaining('(503): {"error":') as unknown });
  });
});

describe('an answer that is none', () => {
  const whole = '{"a":1}';
  const table: readonly (readonly [string, string | Buffer, RegExp])[] = [
    ['nothing', '', /ended after 0 bytes/],
    ['half a head', 'HTTP/1.1 200 OK\r\ncontent-le', /ended after 27 bytes/],
    ['half a body', http('{"a":', 'content-length: 20\r\n'), /ended after \d+ bytes/],
    ['more than it says', http(whole, 'content-length: 3\r\n'), /longer than its Content-Length/],
    ['a cut body of the right length', http('{"a":'), /no JSON object/],
    ['text', http('ok'), /no JSON object/],
    ['a list', http('[{}]'), /no JSON object/],
    ['two objects', http('{} {}'), /no JSON object/],
    ['a trailing comma', http('{"a":1,}'), /no JSON object/],
    ['a raw control letter', http('{"a":"\u0001"}'), /no JSON object/],
    ['a bad escape', http(String.raw`{"a":"\u12g4"}`), /no JSON object/],
    ['a bad number', http('{"a":01}'), /no JSON object/],
    ['lists without an end', http(`{"a":${'['.repeat(100_000)}`), /no JSON object/],
    ['an empty body', http(''), /no JSON object/],
    ['no length', http(whole, ''), /no Content-Length/],
    ['two lengths', http(whole, 'content-length: 7\r\ncontent-length: 7\r\n'), /two Content-Length/],
    ['a negative length', http(whole, 'content-length: -7\r\n'), /Content-Length that is no number/],
    ['a giant length', http(whole, 'content-length: 99999999999999999999\r\n'), /Content-Length that is no number/],
    ['chunks', http('7\r\n{"a":1}\r\n0\r\n\r\n', 'transfer-encoding: chunked\r\n'), /in chunks/],
    ['a giant header', http(whole, `x: ${'y'.repeat(40_000)}\r\n`), /more than 16 kB of headers/],
    ['headers without an end', `HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(10_000)}`, /more than 16 kB of headers/],
    ['a header that is none', http(whole, 'what\r\n'), /header that is none/],
    ['a folded header', http(whole, 'x: y\r\n z\r\n'), /header that is none/],
    ['no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n\r\n', /is no HTTP/],
    ['zeros', Buffer.alloc(200), /ended after 200 bytes/],
    ['bytes without an end of head', Buffer.alloc(100_000, 0xff), /more than 16 kB of headers/],
    ['a status of four digits', http(whole, undefined, '2000 OK'), /is no HTTP/],
    ['another protocol of the same', http(whole, undefined, '101 Switching Protocols'), /no final status/],
    ['an exit code that is none', http(whole, 'content-length: 7\r\ntrotline-exit: 999\r\n'), /no exit code/],
    ['a redirect', http(whole, undefined, '302 Found'), /refused \(302\): \{"a":1\}/],
    ['204', http('', undefined, '204 No Content'), /refused \(204\)/],
    ['400', http('{"error":"where"}', undefined, '400 Bad Request'), /refused \(400\): \{"error":"where"\}/],
    ['500 with controls', http('\u001B[2J\n', undefined, '500 Oh'), /refused \(500\): {2}\[2J/],
    ['503', http('{"error":"full"}', undefined, '503 Service Unavailable'), /refused \(503\): \{"error":"full"\}/],
  ];

  it.each(table)('%s is a failure: open goes on, closed blocks', async (_name, answer, reason) => {
    await using node = await answering(answer);
    const [open, closed] = await Promise.all(
      ['open', 'closed'].map((what) => run(['--socket', node.socket, '--on-failure', what])),
    );
    expect(open).toEqual({ status: 0, stdout: '', stderr: expect.stringMatching(OPEN) as unknown });
    expect(closed).toEqual({ status: 2, stdout: '', stderr: expect.stringMatching(CLOSED) as unknown });
    for (const ran of [open, closed]) expect(ran?.stderr).toMatch(reason);
  });
});

describe('a server that takes its time', () => {
  const slowly = (socket: Socket, bytes: string, everyMs: number): void => {
    let next = 0;
    const timer = setInterval(() => socket.write(bytes[next++ % bytes.length] ?? ''), everyMs);
    socket.on('close', () => clearInterval(timer));
  };
  const TIMEOUT = ['--timeout', '300ms', '--on-failure', 'closed'];

  it('is understood one byte at a time', async () => {
    const answer = http('{"decision":"block"}');
    await using node = await serve((socket) => slowly(socket, answer, 1));
    expect(await run(['--socket', node.socket])).toEqual({ status: 0, stdout: '{"decision":"block"}', stderr: '' });
  });

  it.each<[string, (socket: Socket) => void]>([
    ['answers nothing', () => undefined],
    ['reads nothing', (socket) => socket.pause()],
    ['sends headers for ever', (socket) => slowly(socket, 'x: y\r\n', 5)],
    ['sends a body for ever', (socket) => socket.write(http('{', 'content-length: 100000\r\n'))],
  ])('is not waited for when it %s', async (_name, serveOne) => {
    await using node = await serve(serveOne);
    const stdin = json({ padding: 'x'.repeat(1_000_000) });
    const began = performance.now();
    const { status, stdout, stderr } = await run(['--socket', node.socket, ...TIMEOUT], { stdin });
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(CLOSED);
    expect(stderr).toMatch(/no end within --timeout|is no HTTP/);
    expect(performance.now() - began).toBeLessThan(3000);
  });

  it('is heard when it answers before it has read, and never reads', async () => {
    await using node = await serve((socket) => socket.pause().write(http('{"error":"busy"}', undefined, '503 Busy')));
    const stdin = json({ padding: 'x'.repeat(5_000_000) });
    expect((await run(['--socket', node.socket], { stdin })).stderr).toContain('refused (503): {"error":"busy"}');
  });

  it('that takes no connection is not waited for', async () => {
    await using where = await place();
    const program = `
      const server = require('node:net').createServer();
      server.listen({ path: process.argv[1], backlog: 1 }, () => {
        require('node:fs').writeSync(1, 'here');
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
      });`;
    const deaf = spawn(process.execPath, ['-e', program, where.socket], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(deaf.stdout, 'data');
    const waiting = [1, 2, 3, 4].map(() => connect(where.socket).on('error', () => undefined));
    const { status, stderr } = await run(['--socket', where.socket, ...TIMEOUT]);
    for (const socket of waiting) socket.destroy();
    deaf.kill('SIGKILL');
    expect({ status, stderr }).toEqual({ status: 2, stderr: expect.stringMatching(CLOSED) as unknown });
    expect(stderr).toMatch(/it takes no connection within --timeout|waiting for the sidecar's answer/);
  });

  it.each<[string, (where: string) => Promise<void>, RegExp]>([
    ['nowhere', () => Promise.resolve(), /No such file or directory/],
    ['no socket', (where) => mkdir(where), /Connection refused/],
    ['a link to nothing', (where) => symlink('/nowhere', where), /No such file or directory/],
  ])('that is %s is told with its path', async (_name, prepare, reason) => {
    await using where = await place();
    await prepare(where.socket);
    const { status, stdout, stderr } = await run(['--socket', where.socket]);
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
    expect(stderr).toMatch(reason);
    expect(stderr).toContain(`no sidecar at ${where.socket}`);
  });
});

describe('the streams of the client', () => {
  it('stdin that never ends is not waited for, whether it is silent or drips', async () => {
    await using node = await answering(http('{}'));
    const args = ['--socket', node.socket, '--timeout', '300ms', '--on-failure', 'closed'];
    const silent = start(args);
    const dripping = start(args);
    const timer = setInterval(() => dripping.stdin.write(' '), 5);
    const ran = await Promise.all([ended(silent), ended(dripping)]);
    clearInterval(timer);
    for (const { status, stderr } of ran) {
      expect({ status, stderr }).toEqual({ status: 2, stderr: expect.stringMatching(CLOSED) as unknown });
      expect(stderr).toContain('reading the event from stdin: no end within --timeout');
    }
  });

  it('an event that is too large is read to its end and refused', async () => {
    await using node = await answering(http('{}'));
    const child = start(['--socket', node.socket, '--on-failure', 'closed']);
    let cut: Error | null = null;
    child.stdin.on('error', (error) => (cut = error)).end(Buffer.alloc(20_000_000, 'x'));
    const { status, stderr } = await ended(child);
    expect({ status, stderr, cut }).toEqual({ status: 2, stderr: expect.stringMatching(CLOSED) as unknown, cut: null });
    expect(stderr).toContain('larger than 8388608 bytes');
  });

  it('an event that is not there is told', async () => {
    await using node = await answering(http('{}'));
    expect((await run(['--socket', node.socket], { stdin: '' })).stderr).toContain('nothing came on stdin');
  });

  it.each([
    ['<&-', /reading the event from stdin: Bad file descriptor/],
    ['>&-', /writing the answer to stdout: Bad file descriptor/],
    ['>/dev/full', /writing the answer to stdout: No space left on device/],
  ])('blocks when it was told to and started with %s', async (redirection, reason) => {
    await using node = await answering(http('{}'));
    const line = `exec ${CLIENT} --socket ${node.socket} --on-failure closed ${redirection}`;
    const child = spawn('/bin/sh', ['-c', line]);
    child.stdin.on('error', () => undefined).end('{}');
    const { status, stderr } = await ended(child);
    expect({ status, stderr }).toEqual({ status: 2, stderr: expect.stringMatching(reason) as unknown });
  });

  it('an answer that nobody reads is given up at the deadline, and one that nobody takes at once', async () => {
    await using node = await answering(http(json({ padding: 'x'.repeat(1_000_000) })));
    const args = ['--socket', node.socket, '--timeout', '500ms', '--on-failure', 'closed'];
    const unread = start(args);
    unread.stdin.end('{}');
    unread.stdout.pause();
    const [code] = (await once(unread, 'exit')) as [number];
    const untaken = start(args);
    untaken.stdout.destroy();
    untaken.stdin.end('{}');
    const [other] = (await once(untaken, 'exit')) as [number];
    expect([code, other]).toEqual([2, 2]);
  });

  it('signals in between change nothing', async () => {
    await using node = await serve((socket) => {
      socket.on('data', () => undefined);
      setTimeout(() => socket.end(http('{"a":1}')), 200);
    });
    const child = start(['--socket', node.socket]);
    // Before it looks after them they would end it, as they end every program.
    await eventually(() => (caughtBy(child.pid ?? 0) & SIGALRM_BIT) !== 0n);
    const timer = setInterval(() => {
      for (const signal of ['SIGALRM', 'SIGSTOP', 'SIGCONT', 'SIGPIPE'] as const) child.kill(signal);
    }, 2);
    setTimeout(() => child.stdin.end('{}'), 100);
    const ran = await ended(child);
    clearInterval(timer);
    expect(ran).toEqual({ status: 0, stdout: '{"a":1}', stderr: '' });
  });

  it('leaves nothing at the server: its connection is over with it', async () => {
    await using where = await place();
    const server = createServer((_request, response) => response.end('{}')).listen(where.socket);
    await once(server, 'listening');
    for (let round = 0; round < 5; round++) await run(['--socket', where.socket]);
    await eventually(() => {
      server.getConnections((_error, count) => expect(count).toBe(0));
    });
    server.close();
    await once(server, 'close');
  });
});

describe('the options of the client', () => {
  it.each<[readonly string[], Readonly<Record<string, string>>, string]>([
    [['--sokcet', 'x'], {}, 'unknown option "--sokcet", expected trotline-hook [--socket PATH | --address IP:PORT]'],
    [['run'], {}, 'unknown argument "run", expected trotline-hook'],
    [['--socket'], {}, '--socket has no value, expected trotline-hook'],
    [['--socket', ''], {}, 'socket "", expected a path of 1 to 107 bytes'],
    [['--socket', `/${'x'.repeat(200)}`], {}, 'expected a path of 1 to 107 bytes'],
    [['--dialect', 'cluade'], {}, '--dialect "cluade", expected claude-code, kagent, gemini-cli or neutral'],
    [[], { TROTLINE_DIALECT: 'cluade' }, 'TROTLINE_DIALECT "cluade", expected claude-code'],
    [['--address', 'localhost:1'], {}, 'address "localhost:1", expected 10.0.0.1:7412 or [fd00::1]:7412'],
    [['--address', '10.0.0.1:0'], {}, 'address "10.0.0.1:0", expected'],
    [['--address', '[::1:7'], {}, 'address "[::1:7", expected'],
    [['--address', `${'1'.repeat(300)}:7`], {}, 'expected 10.0.0.1:7412 or [fd00::1]:7412'],
    [['--address', '10.0.0.1:7', '--socket', '/x'], {}, '--socket and --address, expected one of them'],
    [['--on-failure', 'maybe'], {}, '--on-failure "maybe", expected open or closed'],
    [[], { TROTLINE_ON_FAILURE: 'maybe' }, 'TROTLINE_ON_FAILURE "maybe", expected open or closed'],
    [['--timeout', '5 sec'], {}, '--timeout "5 sec", expected 1ms to 24 hours, like 500ms, 10s, 2m or milliseconds'],
    [['--timeout', '0'], {}, '--timeout "0", expected'],
    [['--timeout', '-5s'], {}, '--timeout "-5s", expected'],
    [['--timeout', '99999999999999999999m'], {}, 'expected 1ms to 24 hours'],
    [['--bad\u001B[2J\n'], {}, 'unknown option "--bad [2J "'],
  ])('%j is refused in one line, and blocks', async (args, env, message) => {
    const { status, stdout, stderr } = await run(args, { env });
    expect({ status, stdout, lines: stderr.split('\n').length }).toEqual({ status: 2, stdout: '', lines: 2 });
    expect(stderr).toContain(`trotline-hook: ${stderr.includes('unknown') ? message : ''}`);
    expect(stderr).toContain(message);
  });

  it('takes on-failure from the environment, where the command line says nothing', async () => {
    const env = { TROTLINE_ON_FAILURE: 'closed', HOME: '/nowhere', TROTLINE_DATA: '/nowhere' };
    expect((await run([], { env })).status).toBe(2);
    expect((await run(['--on-failure', 'open'], { env })).status).toBe(0);
  });

  it('knows the dialects of the server and the version of the package', async () => {
    const help = (await run(['--help'])).stdout;
    for (const { name } of DIALECTS) {
      expect(help).toContain(name);
      expect((await run(['--dialect', name, '--socket', join(dirname(CLIENT), 'none')])).status).toBe(0);
    }
    expect(await run(['--version'])).toEqual({ status: 0, stdout: `${VERSION}\n`, stderr: '' });
    expect(help.split('\n').length).toBeLessThan(24);
  });
});

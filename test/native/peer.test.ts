import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, closeSync, openSync, readdirSync } from 'node:fs';
import { createServer, connect, type Socket } from 'node:net';
import { dirname } from 'node:path';

import { describe, expect, it } from 'vitest';

import { NO_PEER } from '#core';
import { NativeError, openPeer, type PeerCredentials } from '#native';

import { byStart } from '../../native/peer.ts';
import { Peers } from '../../plugins/sources/agent/peer.ts';
import { silentLog } from '../kit/action-context.ts';
import { place } from './hook-scenarios.ts';

const ROOT = process.getuid?.() === 0;
if (!ROOT) console.warn('peers of other users and pid namespaces are not tested: that needs root');

const NATIVE = new URL('../../native/index.ts', import.meta.url).href;
const OPTIONS = { users: [], groups: [], podFolder: '/nowhere', log: silentLog };
const PROGRAM = "require('node:net').connect(process.argv[1])";

interface Caller {
  readonly socket: Socket;
  readonly child: ChildProcess;
}

/** A process that has connected, started by `command`. */
async function called(...command: readonly string[]): Promise<Caller & AsyncDisposable> {
  const where = await place();
  const server = createServer().listen(where.socket);
  await once(server, 'listening');
  // For callers who are other users.
  chmodSync(dirname(where.socket), 0o711);
  chmodSync(where.socket, 0o777);
  const words = [...command, process.execPath, '-e', PROGRAM, where.socket];
  const child = spawn(words[0] ?? '', words.slice(1), { stdio: 'inherit' });
  const [socket] = (await once(server, 'connection')) as [Socket];
  return {
    socket,
    child,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      socket.destroy();
      server.close();
      await where[Symbol.asyncDispose]();
    },
  };
}

function descriptorOf(socket: Socket): number {
  return (socket as unknown as { _handle: { fd: number } })._handle.fd;
}

function opened(socket: Socket): PeerCredentials {
  const peer = openPeer(descriptorOf(socket));
  peer.close();
  return peer;
}

async function end(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

const openFiles = (): number => readdirSync('/proc/self/fd').length;

describe('the peer of a Unix socket', () => {
  it('is the process that connected, with its user and groups', async () => {
    await using caller = await called();
    expect(new Peers(OPTIONS).of(caller.socket)).toEqual({
      ...NO_PEER,
      pid: caller.child.pid,
      uid: process.getuid?.(),
    });
    const groups = expect.any(Array) as unknown;
    expect(opened(caller.socket)).toMatchObject({ gid: process.getgid?.(), groups });
  });

  it.skipIf(!ROOT)('is another user’s', async () => {
    await using caller = await called('setpriv', '--reuid=12345', '--regid=12345', '--groups=5,7');
    expect(opened(caller.socket)).toMatchObject({ uid: 12_345, gid: 12_345, groups: [5, 7] });
  });

  it.skipIf(!ROOT)(
    'may ask as one of the users or as a member of one of the groups that are named, and not else',
    async () => {
      await using caller = await called('setpriv', '--reuid=12345', '--regid=12345', '--groups=5,7');
      const asks = (users: readonly number[], groups: readonly number[]) => () =>
        new Peers({ ...OPTIONS, users, groups }).of(caller.socket);
      for (const allowed of [asks([1, 12_345], []), asks([], [12_345]), asks([1], [7])])
        expect(allowed()).toMatchObject({ uid: 12_345 });
      for (const refused of [asks([0], []), asks([], [6]), asks([0], [0])])
        expect(refused).toThrow(/^user 12345 may not ask here, expected (one of 0|a member of group 6)/);
      expect(asks([0], [0])).toThrow('expected one of 0 or a member of group 0');
    },
  );

  it.skipIf(!ROOT)('has more groups than one usually has', async () => {
    const many = Array.from({ length: 300 }, (_, index) => 1000 + index);
    await using caller = await called('setpriv', `--groups=${many.join(',')}`);
    expect(opened(caller.socket).groups).toEqual(many);
  });

  it.skipIf(!ROOT)('has the number that it has in our pid namespace', async () => {
    await using caller = await called('unshare', '--pid', '--fork', '--kill-child');
    const peer = opened(caller.socket);
    expect(peer.pid).not.toBe(caller.child.pid);
    expect(peer.pid).toBeGreaterThan(1);
  });

  it.skipIf(!ROOT)('has none where it is in another pid namespace than ours', async () => {
    await using where = await place();
    const program = `
      const { openPeer } = await import(${JSON.stringify(NATIVE)});
      const server = (await import('node:net')).createServer((socket) => {
        process.stdout.write(JSON.stringify(openPeer(socket._handle.fd)) + '\\n');
        process.exit();
      });
      server.listen(process.argv[1], () => process.stdout.write('listens\\n'));`;
    const words = [process.execPath, '--conditions=source', '--input-type=module', '-e', program, where.socket];
    const child = spawn('unshare', ['--pid', '--fork', '--kill-child', ...words], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    const socket = connect(where.socket);
    const [told] = (await once(child.stdout, 'data')) as [Buffer];
    socket.destroy();
    expect(JSON.parse(String(told))).toMatchObject({ pid: 0, uid: process.getuid?.() });
  });

  it('is the same until it has ended, and leaves no descriptor here', async () => {
    await using caller = await called();
    const before = openFiles();
    new Peers(OPTIONS).of(caller.socket);
    expect(openFiles()).toBe(before);
    const peer = openPeer(descriptorOf(caller.socket));
    expect(peer.isSame()).toBe(true);
    await end(caller.child);
    expect(peer.isSame()).toBe(false);
    peer.close();
    peer.close();
    expect(peer.isSame()).toBe(false);
  });

  it('is told apart by its start where the kernel gives no descriptor of it', async () => {
    const child = spawn('/bin/sleep', ['60']);
    await once(child, 'spawn');
    const identity = byStart(child.pid ?? 0);
    expect(identity.isSame()).toBe(true);
    await end(child);
    expect(identity.isSame()).toBe(false);
    expect(byStart(0).isSame()).toBe(false);
  });

  it('is nobody where the connection is over or comes by TCP', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const client = connect({ host: '127.0.0.1', port: typeof address === 'object' ? (address?.port ?? 0) : 0 });
    const [socket] = (await once(server, 'connection')) as [Socket];
    expect(new Peers(OPTIONS).of(socket)).toEqual(NO_PEER);
    client.destroy();
    socket.destroy();
    server.close();
    await using caller = await called();
    caller.socket.destroy();
    expect(new Peers(OPTIONS).of(caller.socket)).toEqual(NO_PEER);
  });

  it.each([
    ['no socket', 'ENOTSOCK'],
    ['nothing', 'EBADF'],
  ])('is refused for %s', (what, code) => {
    const fd = openSync('/dev/null', 'r');
    if (what === 'nothing') closeSync(fd);
    const refused = (() => {
      try {
        return openPeer(what === 'nothing' ? 1_000_000 : fd);
      } catch (error) {
        return error;
      }
    })();
    if (what !== 'nothing') closeSync(fd);
    expect(refused).toBeInstanceOf(NativeError);
    expect(refused).toMatchObject({ code, syscall: 'getsockopt SO_DOMAIN' });
  });
});

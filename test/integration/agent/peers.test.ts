/** Who asks at a real socket, by the kernel's word. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, connect, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it, onTestFinished } from 'vitest';

import { Peers } from '../../../plugins/sources/agent/peer.ts';
import { silentLog } from '../../kit/action-context.ts';
import { eventually } from '../../kit/eventually.ts';
import { ask, bash, GUARD_HOOK, startNode } from './kit.ts';

const UID = '0f3a1b2c-4d5e-6f70-8192-a3b4c5d6e7f8';
const own = { uid: process.getuid?.() ?? -1, pid: process.pid };

async function connected(): Promise<{ readonly folder: string; readonly socket: Socket }> {
  const folder = await mkdtemp(join(tmpdir(), 'peers-'));
  const accepted = Promise.withResolvers<Socket>();
  const server: Server = createServer((socket) => accepted.resolve(socket));
  await new Promise<void>((resolve) => server.listen(join(folder, 's.sock'), () => resolve()));
  const client = connect(join(folder, 's.sock'));
  const socket = await accepted.promise;
  onTestFinished(async () => {
    client.destroy();
    socket.destroy();
    await new Promise((resolve) => server.close(resolve));
    await rm(folder, { recursive: true, force: true });
  });
  return { folder, socket };
}

describe('who asks at the socket', () => {
  it('is known by user, process and pod', async () => {
    const { folder, socket } = await connected();
    await mkdir(join(folder, 'proc', String(process.pid)), { recursive: true });
    await writeFile(join(folder, 'proc', String(process.pid), 'cgroup'), `0::/kubepods/besteffort/pod${UID}/x\n`);
    await mkdir(join(folder, 'pods', `agents_coder_${UID}`), { recursive: true });
    const options = {
      users: [],
      groups: [],
      podFolder: join(folder, 'pods'),
      proc: join(folder, 'proc'),
      log: silentLog,
    };
    expect(new Peers(options).of(socket)).toEqual({ ...own, namespace: 'agents', pod: 'coder', podUid: UID });
    const nameless = new Peers({ ...options, podFolder: join(folder, 'nowhere') });
    expect(nameless.of(socket)).toEqual({ ...own, namespace: '', pod: '', podUid: UID });
  });

  it('is in the event of each question', async () => {
    await using node = await startNode({ hooks: { 'guard.yaml': GUARD_HOOK } });
    await ask(node, bash('ls'));
    const [event] = await eventually(async () => {
      const events = await node.fullEvents();
      if (events.length === 0) throw new Error('no event yet');
      return events;
    });
    expect(event?.event.attributes).toMatchObject({ 'agent.uid': own.uid, 'agent.pid': own.pid });
  });

  it('is refused where only other users may ask', async () => {
    const sourceConfigs = new Map([['agent', { users: [own.uid + 1] }]]);
    await using node = await startNode({ hooks: { 'guard.yaml': GUARD_HOOK }, sourceConfigs });
    expect(await ask(node, bash('ls'))).toMatchObject({
      status: 403,
      body: { error: `user ${own.uid} may not ask here, expected one of ${own.uid + 1}` },
    });
  });
});

/** Two control planes with one data folder, elected by a Lease of a real API server. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';

import { ApiServer, noApiServer } from '../../kit/api-server.ts';
import { eventually } from '../../kit/eventually.ts';

const missing = noApiServer();
const TROTLINE = resolve(import.meta.dirname, '../../../trotline.mjs');
const LEASES = '/apis/coordination.k8s.io/v1/namespaces/default/leases';
let api: ApiServer;

beforeAll(async () => {
  if (missing === null) api = await ApiServer.start();
}, 60_000);
afterAll(() => api?.stop());

/** One process; `ready` is what its probe answers. */
async function controlPlane(folder: string, lease: string) {
  const child: ChildProcess = spawn(
    process.execPath,
    `${TROTLINE} control-plane --data ${folder}/data --hooks ${folder}/hooks --kubeconfig ${api.kubeconfig()} --lease default/${lease} --probes 127.0.0.1:0 --api 127.0.0.1:0`.split(
      ' ',
    ),
    { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NODE_ENV: 'production' } },
  );
  let log = '';
  child.stdout?.on('data', (text: Buffer) => (log += text.toString()));
  child.stderr?.on('data', (text: Buffer) => (log += text.toString()));
  const exited = once(child, 'exit');
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const port = await eventually(() => /"port":(\d+)[^\n]*probes listening/.exec(log)?.[1] ?? fail(log), {
    timeoutMs: 20_000,
  });
  const ready = async (): Promise<string> => (await fetch(`http://127.0.0.1:${port}/readyz`)).text();
  return { child, exited, ready, log: () => log };
}

function fail(log: string): never {
  throw new Error(`no probes yet: ${log}`);
}

describe.skipIf(missing !== null)('two control planes', () => {
  it('H20: one works and one stands by; the other takes over within 15 s when it is killed, and at once when it stops', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'standby-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    await mkdir(join(folder, 'hooks'));
    await writeFile(join(folder, 'hooks', 'none.yaml'), '');
    const first = await controlPlane(folder, 'killed');
    await eventually(async () => expect(await first.ready()).toBe('ok\n'), { timeoutMs: 20_000 });
    const second = await controlPlane(folder, 'killed');
    await eventually(async () => expect(await second.ready()).toMatch(/ is elected\n$/), { timeoutMs: 20_000 });

    const killedAt = performance.now();
    first.child.kill('SIGKILL');
    await eventually(async () => expect(await second.ready()).toBe('ok\n'), { timeoutMs: 20_000 });
    expect(performance.now() - killedAt).toBeLessThan(15_000);

    const third = await controlPlane(folder, 'killed');
    await eventually(async () => expect(await third.ready()).toMatch(/ is elected\n$/), { timeoutMs: 20_000 });
    second.child.kill('SIGTERM');
    expect(await second.exited).toEqual([0, null]);
    await eventually(async () => expect(await third.ready()).toBe('ok\n'), { timeoutMs: 8_000 });
  }, 90_000);

  it('ends when it stands by and is told to, and when another one took its Lease', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'standby-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    await mkdir(join(folder, 'hooks'));
    const leader = await controlPlane(folder, 'taken');
    await eventually(async () => expect(await leader.ready()).toBe('ok\n'), { timeoutMs: 20_000 });
    const waiting = await controlPlane(folder, 'taken');
    await eventually(async () => expect(await waiting.ready()).toMatch(/ is elected\n$/), { timeoutMs: 20_000 });
    waiting.child.kill('SIGTERM');
    expect(await waiting.exited).toEqual([0, null]);
    await api.patch(`${LEASES}/taken`, { spec: { holderIdentity: 'somebody-else' } });
    expect(await leader.exited).toEqual([1, null]);
    expect(leader.log()).toContain('somebody-else');
  }, 90_000);
});

/** Pods that ask at `listen`, named by projected tokens that a real API server signed. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { ApiServer, noApiServer } from '../../kit/api-server.ts';
import { eventually } from '../../kit/eventually.ts';
import { bash, GUARD_HOOK, type Told } from '../../integration/agent/kit.ts';
import { apiOf, controlPlaneOf, sidecarOf } from './hooks-kit.ts';
import { Cluster } from './objects.ts';

const missing = noApiServer();
let api: ApiServer;
let cluster: Cluster;
let folder: string;

beforeAll(async () => {
  if (missing !== null) return;
  api = await ApiServer.start({ flags: ['--api-audiences=https://kubernetes.default.svc,trotline'] });
  cluster = await Cluster.with(api, 'agents');
  await api.request('POST', '/api/v1/namespaces/agents/serviceaccounts', { metadata: { name: 'agent' } });
  await cluster.pod('coder', { serviceAccount: 'agent', nodeName: 'node-1' });
  folder = await mkdtemp(join(tmpdir(), 'agents-'));
  await mkdir(join(folder, 'hooks'));
  const heard = GUARD_HOOK.replace('name: guard', 'name: refused').replace('[PreToolUse]', '[agent.caller-refused]');
  await writeFile(join(folder, 'hooks', 'guard.yaml'), `${GUARD_HOOK}---\n${heard}`);
}, 60_000);
afterAll(async () => {
  await api?.stop();
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
});

async function nodeOf() {
  const plane = await controlPlaneOf(api, { hooks: join(folder, 'hooks') });
  const config = new Map([['agent', { listen: '127.0.0.1:0', audience: 'trotline' }]]);
  const sidecar = await sidecarOf(plane.socket, plane.folder, 'node-1', config);
  await eventually(() => expect(sidecar.hooks.runtimes).toHaveLength(2));
  const port = await eventually(async () => {
    const [one] = await apiOf<{ sources: { source: string; hears?: string }[] }[]>(plane, '/v1/sidecars');
    const hears = one?.sources.find(({ source }) => source === 'agent')?.hears ?? '';
    const found = /127\.0\.0\.1:(\d+)/.exec(hears)?.[1];
    if (found === undefined) throw new Error(`hears ${hears}`);
    return Number(found);
  });
  return { plane, port };
}

function ask(port: number, token: string | null): Promise<Told> {
  const headers = token === null ? {} : { authorization: `Bearer ${token}` };
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path: '/v1/hooks', method: 'POST', headers }, (response) => {
      let all = '';
      response.on('data', (chunk: Buffer) => (all += String(chunk)));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body: JSON.parse(all) as Record<string, unknown> }),
      );
    });
    sent.on('error', reject);
    sent.end(JSON.stringify(bash('rm -rf /')));
  });
}

interface Stored {
  readonly id: string;
  readonly type: string;
}

describe.skipIf(missing !== null)('a pod that asks over the network', () => {
  it('is known by its token, also while the control plane is away', async () => {
    const { plane, port } = await nodeOf();
    const token = await cluster.token('agent', 'coder');
    const told = await ask(port, token);
    expect(told).toMatchObject({ status: 200, body: { hookSpecificOutput: { permissionDecision: 'deny' } } });
    const [event] = await eventually(async () => {
      const events = await apiOf<Stored[]>(plane, '/v1/events?type=agent.pre-tool-use');
      if (events.length === 0) throw new Error('no event yet');
      return events;
    });
    const { event: full } = await apiOf<{ event: { namespace: string; attributes: object } }>(
      plane,
      `/v1/events/${event?.id ?? ''}`,
    );
    expect(full.namespace).toBe('agents');
    expect(full.attributes).toMatchObject({ 'agent.pod': 'coder' });
    await plane.supervisor.stop();
    expect(await ask(port, token)).toMatchObject({ status: 200 });
  });

  it.each([
    ['without a token', async () => null, 'no token'],
    ['with a token for somebody else', () => cluster.token('agent', 'coder', ['elsewhere']), '"aud"'],
    ['with a token that names no pod', () => cluster.token('agent', null), 'names no pod'],
    [
      'with a token that was changed',
      async () =>
        (await cluster.token('agent', 'coder')).replace(/.$/, (last) => (last === 'A' ? 'B' : 'A')).slice(0, -4),
      'not good here',
    ],
  ])('is refused and told of %s', async (_how, tokenOf, why) => {
    const { plane, port } = await nodeOf();
    const told = await ask(port, await tokenOf());
    expect(told).toMatchObject({ status: 403, body: { error: expect.stringContaining(why) as unknown } });
    await eventually(async () => {
      const events = await apiOf<Stored[]>(plane, '/v1/events?type=agent.caller-refused');
      expect(events).toHaveLength(1);
    });
  });
});

/** A webhook with batches on a node, in front of a real receiver: attempts and outcomes of each event stay its own. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { describe, expect, it } from 'vitest';

import { eventually } from '../../kit/eventually.ts';
import type { Thread } from '../../kit/thread.ts';
import { ask, bash, startNode } from './kit.ts';

interface Batch {
  readonly webhookId: string;
  readonly deliveries: readonly string[];
  readonly ids: readonly string[];
}

/** Answers with these statuses in turn, then with 204. */
async function receiver(statuses: readonly number[] = []) {
  const batches: Batch[] = [];
  const queue = [...statuses];
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => (text += chunk.toString()));
    request.on('end', () => {
      const events = JSON.parse(text) as { readonly id: string; readonly deliveryid: string }[];
      batches.push({
        webhookId: String(request.headers['webhook-id']),
        deliveries: events.map(({ deliveryid }) => deliveryid),
        ids: events.map(({ id }) => id),
      });
      response.writeHead(queue.shift() ?? 204).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    batches,
    url: `http://127.0.0.1:${port}/`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const hook = (url: string, batch: string): string => `
apiVersion: trotline.dev/v1alpha1
kind: EventHook
metadata: { name: told }
spec:
  source: agent
  actions: [{ type: webhook, config: { url: '${url}', batch: ${batch} } }]
`;

async function askMany(node: Thread, count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, () => ask(node, bash('npm test'))));
}

async function allDelivered(node: Thread, count: number) {
  return eventually(
    async () => {
      const events = await node.fullEvents('?outcome=delivered');
      if (events.length !== count) throw new Error(`${events.length} of ${count} delivered`);
      return events;
    },
    { timeoutMs: 15_000 },
  );
}

describe('batches of a webhook', () => {
  it('L16, L17: are delivered together, each event once and with its own attempt', async () => {
    await using endpoint = await receiver();
    await using node = await startNode({ hooks: { 'told.yaml': hook(endpoint.url, '{ size: 20 }') } });
    await askMany(node, 50);
    const events = await allDelivered(node, 50);
    expect(endpoint.batches.map(({ ids }) => ids.length)).toEqual([20, 20, 10]);
    expect(endpoint.batches.flatMap(({ ids }) => ids).sort()).toEqual(events.map(({ id }) => id).sort());
    for (const { id, hooks } of events) {
      const [attempt, ...more] = hooks[0]?.attempts ?? [];
      const batch = endpoint.batches.find(({ ids }) => ids.includes(id));
      expect(more).toEqual([]);
      expect(attempt).toMatchObject({
        number: 1,
        status: 'delivered',
        detail: expect.stringMatching(/batch of/) as unknown,
      });
      expect(batch?.deliveries[batch.ids.indexOf(id)]).toBe(attempt?.deliveryId);
    }
    await eventually(async () => {
      const [balance] = await node.ledger();
      expect(balance?.ledger.hooks).toMatchObject([{ routed: 50, pending: 0, outcomes: { delivered: 50 } }]);
    });
  });

  it('are tried again together, as the same batch', async () => {
    await using endpoint = await receiver([503]);
    await using node = await startNode({ hooks: { 'told.yaml': hook(endpoint.url, '{ size: 5 }') } });
    await askMany(node, 5);
    const events = await allDelivered(node, 5);
    expect(endpoint.batches).toHaveLength(2);
    const [first, second] = endpoint.batches;
    expect(second?.webhookId).toBe(first?.webhookId);
    expect(second?.deliveries.toSorted()).toEqual(first?.deliveries.toSorted());
    for (const { hooks } of events)
      expect(hooks[0]?.attempts).toMatchObject([
        { number: 1, status: 'retry' },
        { number: 2, status: 'delivered' },
      ]);
  });

  it('L19: lose nothing at a stop: what waits for others goes at once', async () => {
    await using endpoint = await receiver();
    await using node = await startNode({ hooks: { 'told.yaml': hook(endpoint.url, '{ wait: 10s }') } });
    await askMany(node, 7);
    await eventually(() => node.sidecar.hooks.load.active === 7);
    await node.stopSidecar();
    expect(endpoint.batches.map(({ ids }) => ids.length)).toEqual([7]);
    await allDelivered(node, 7);
  });
});

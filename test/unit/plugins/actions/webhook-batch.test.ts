import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';

import { type AgentCall, isObject, parseConfig, type Result } from '#core';

import { webhook } from '../../../../plugins/actions/webhook/index.ts';
import { attemptOf, manualClock, silentLog } from '../../../kit/action-context.ts';
import { eventually } from '../../../kit/eventually.ts';
import { agentEvent } from '../../control-plane/stream/kit.ts';

interface Sent {
  readonly request: Request;
  readonly body: readonly Record<string, unknown>[];
}

/** The action in front of an endpoint that answers when it is told to. */
function batching(batch: object = {}, more: object = {}) {
  const clock = manualClock();
  const sent: Sent[] = [];
  const answers: ((response: Response) => void)[] = [];
  const fetch: typeof globalThis.fetch = async (input, init) => {
    const request = new Request(input, { ...init, signal: null });
    sent.push({ request, body: (await request.clone().json()) as Sent['body'] });
    return new Promise((resolve, reject) => {
      answers.push(resolve);
      init?.signal?.addEventListener('abort', () => reject(init.signal?.reason), { once: true });
    });
  };
  const run = () => Promise.reject(new Error('a webhook runs no program'));
  const options = parseConfig(webhook.config, { url: 'https://receiver.test/', batch, ...more }, 'webhook');
  const action = webhook.create(options, { clock, log: silentLog, fetch, run });
  return {
    clock,
    sent,
    action,
    handle: (number: number, call: Partial<AgentCall> = {}, signal = new AbortController().signal): Promise<Result> =>
      action.handle(agentEvent(call, {}, `agent-b-${number}`), attemptOf({ deliveryId: `d-${number}`, signal })),
    /** Answers the newest request, once there are so many. */
    answer: async (count: number, status = 200, headers: Record<string, string> = {}): Promise<Sent> => {
      await eventually(() => answers.length >= count);
      answers[count - 1]?.(new Response('thanks', { status, headers }));
      const found = sent[count - 1];
      if (!found) throw new Error('no request');
      return found;
    },
  };
}

const times = (count: number, value: unknown): unknown[] => Array.from({ length: count }, () => value);

const idsIn = ({ body }: Sent): unknown[] => body.map(({ id }) => id);

describe('a webhook with batches', () => {
  it('L16, L17: sends what gathered as one signed list of CloudEvents, and each event has its own result', async () => {
    const { clock, handle, answer } = batching({}, { secret: 'shared between the two of us' });
    const results = [1, 2, 3].map((number) => handle(number));
    clock.advance(1000);
    const { request, body } = await answer(1);
    expect(body).toMatchObject([
      { specversion: '1.0', id: 'agent-b-1', type: 'agent.pre-tool-use', deliveryid: 'd-1' },
      { id: 'agent-b-2', deliveryid: 'd-2' },
      { id: 'agent-b-3', deliveryid: 'd-3' },
    ]);
    expect(request.headers.get('content-type')).toBe('application/cloudevents-batch+json');
    expect(await Promise.all(results)).toEqual(
      times(3, { status: 'delivered', detail: '200 in 0 ms, batch of 3', output: 'thanks' }),
    );
    const key = new Webhook(Buffer.from('shared between the two of us'), { format: 'raw' });
    const id = request.headers.get('webhook-id') ?? '';
    const signature = key.sign(id, new Date(clock.now()), await request.text());
    expect(request.headers.get('webhook-signature')).toBe(signature);
  });

  it('sends a full batch at once, and a new one after it', async () => {
    const { handle, sent, answer } = batching({ size: 2 });
    const results = [1, 2, 3, 4, 5].map((number) => handle(number));
    await answer(1);
    await answer(2);
    expect(sent.map(idsIn)).toEqual([
      ['agent-b-1', 'agent-b-2'],
      ['agent-b-3', 'agent-b-4'],
    ]);
    expect(await Promise.race([results[4], Promise.resolve('waits')])).toBe('waits');
    expect((await Promise.all(results.slice(0, 4))).every(({ status }) => status === 'delivered')).toBe(true);
  });

  it('L18: lets what is urgent wait for nobody, under its own delivery id', async () => {
    const { handle, answer } = batching();
    void handle(1);
    const urgent = handle(2, { priority: 1 });
    const first = await answer(1);
    expect(idsIn(first)).toEqual(['agent-b-2']);
    expect(first.request.headers.get('webhook-id')).toBe('d-2');
    expect(await urgent).toMatchObject({ status: 'delivered' });
  });

  it('tries together what failed together, under the same id', async () => {
    const { clock, handle, answer } = batching();
    const results = [1, 2].map((number) => handle(number));
    clock.advance(1000);
    const first = await answer(1, 503);
    const failed = await Promise.all(results);
    expect(failed).toMatchObject(times(2, { status: 'retry', reason: 'endpoint answered 503', afterMs: 3000 }));
    const again = [2, 1].map((number) => handle(number));
    clock.advance(1000);
    const second = await answer(2, 429, { 'retry-after': '7' });
    expect(second.request.headers.get('webhook-id')).toBe(first.request.headers.get('webhook-id'));
    expect(await Promise.all(again)).toMatchObject(times(2, { status: 'retry', afterMs: 7000 }));
  });

  it('lets an event go whose attempt is aborted, waiting or under way, and sends the others', async () => {
    const { clock, handle, answer, sent } = batching();
    const [waiting, underWay] = [new AbortController(), new AbortController()];
    const results = [handle(1, {}, waiting.signal), handle(2, {}, underWay.signal), handle(3)];
    waiting.abort(new Error('lease'));
    expect(await results[0]).toEqual({ status: 'retry', reason: 'aborted: lease' });
    clock.advance(1000);
    await eventually(() => sent.length === 1);
    underWay.abort(new Error('lease'));
    expect(await results[1]).toMatchObject({ status: 'retry' });
    expect(idsIn(await answer(1))).toEqual(['agent-b-2', 'agent-b-3']);
    expect(await results[2]).toMatchObject({ status: 'delivered' });
  });

  it('ends the request when nobody waits for it any more', async () => {
    const { clock, handle, sent } = batching();
    const lease = new AbortController();
    const results = [handle(1, {}, lease.signal), handle(2, {}, lease.signal)];
    clock.advance(1000);
    await eventually(() => sent.length === 1);
    lease.abort(new Error('lease'));
    expect(await Promise.all(results)).toEqual(times(2, { status: 'retry', reason: 'aborted: lease' }));
    expect(await handle(3, {}, lease.signal)).toMatchObject({ status: 'retry' });
  });

  it('L19: sends in a drain what waits, and what comes after it at once', async () => {
    const { handle, action, answer } = batching();
    const waiting = handle(1);
    await action.drain?.(new AbortController().signal);
    await answer(1);
    const late = handle(2);
    await answer(2);
    expect(await Promise.all([waiting, late])).toMatchObject(times(2, { status: 'delivered' }));
    await action.stop?.();
  });

  it('L20, L21: counts uses of tools, and the rest by its rules, with the ids of all that it stands for', async () => {
    const rules = [{ types: ['agent.notification'], groupBy: ['agent.text'] }];
    const { clock, handle, answer } = batching({ aggregate: true, rules });
    const calls: Partial<AgentCall>[] = [
      { tool: 'Bash', agent: 'a' },
      { tool: 'Read', agent: 'a' },
      { tool: 'Bash', agent: 'b' },
      { name: 'Notification', text: 'hm' },
      { name: 'Notification', text: 'hm' },
    ];
    const results = calls.map((call, index) => handle(index + 1, call));
    clock.advance(1000);
    const { body } = await answer(1);
    expect(body).toHaveLength(3);
    expect(body[0]).toMatchObject({
      type: 'agent.pre-tool-use.summary',
      id: expect.stringMatching(/^summary-/) as unknown,
      data: {
        aggregated: true,
        original_count: 2,
        agent_id: 'a',
        session_id: 'session-1',
        priority: 3,
        tool_usage_summary: { Bash: { count: 1 }, Read: { count: 1 } },
        event_ids: ['agent-b-1', 'agent-b-2'],
        delivery_ids: ['d-1', 'd-2'],
      },
    });
    expect(body[1]).toMatchObject({ id: 'agent-b-3', deliveryid: 'd-3' });
    expect(body[2]).toMatchObject({ type: 'agent.notification.summary', data: { groups: [{ count: 2 }] } });
    expect(isObject(body[2]?.data) && 'interface' in body[2].data).toBe(false);
    expect((await Promise.all(results)).every(({ status }) => status === 'delivered')).toBe(true);
  });

  it('does not judge', () => {
    const options = parseConfig(
      webhook.config,
      { url: 'https://r.test/', batch: {}, protocol: 'claude-http' },
      'webhook',
    );
    const context = { clock: manualClock(), log: silentLog, fetch, run: () => Promise.reject(new Error('none')) };
    expect(() => webhook.create(options, context)).toThrow(/`batch` is for events that are told/);
  });

  it('takes no place of its origin while an event waits', () => {
    const options = parseConfig(webhook.config, { url: 'https://r.test/', batch: {} }, 'webhook');
    expect(webhook.places?.(options)).toBeNull();
  });
});

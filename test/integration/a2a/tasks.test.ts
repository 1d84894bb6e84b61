import { describe, expect, it } from 'vitest';

import { type Behaviour, type EndState, startAgent } from '../../kit/a2a.ts';
import { asking } from './kit.ts';

const WAYS = (['1.0', '0.3'] as const).flatMap((version) =>
  (['JSONRPC', 'HTTP+JSON'] as const).flatMap((binding) =>
    [true, false].map((streaming) => ({ version, binding, streaming })),
  ),
);

const works =
  (state: EndState, said = ''): Behaviour =>
  async (turn) => {
    turn.working('looking');
    await new Promise((resolve) => setTimeout(resolve, 20));
    turn.artifact('answer', 'It needs ');
    turn.artifact('answer', 'more memory.');
    turn.end(state, said);
  };

describe.each(WAYS)('an agent of A2A $version over $binding, streaming $streaming', (way) => {
  it('H13: is followed from working to completed, its final text kept', async () => {
    await using agent = await startAgent({ ...way, behave: works('completed') });
    await using action = asking({ url: agent.url });
    expect(await action.handle()).toMatchObject({ status: 'delivered', output: 'It needs more memory.' });
    expect(agent.asked).toHaveLength(1);
  });

  it.each([
    ['failed', 'agent failed: no idea'],
    ['rejected', 'agent rejected the task: no idea'],
    ['canceled', 'task was canceled: no idea'],
    ['input-required', 'agent asks for input: no idea'],
    ['auth-required', 'agent asks for authentication: no idea'],
  ] as const)('H13: that ends as %s is rejected, with its words', async (state, reason) => {
    await using agent = await startAgent({ ...way, behave: works(state, 'no idea') });
    await using action = asking({ url: agent.url });
    expect(await action.handle()).toMatchObject({ status: 'rejected', reason, output: 'It needs more memory.' });
  });

  it('H13: that answers with a message has answered', async () => {
    await using agent = await startAgent({ ...way, behave: (turn) => turn.say('restart it') });
    await using action = asking({ url: agent.url });
    expect(await action.handle()).toMatchObject({ status: 'delivered', output: 'restart it' });
  });

  it('H12: gets the delivery id, a text part, a data part and the trace', async () => {
    await using agent = await startAgent({ ...way, behave: (turn) => turn.say('ok') });
    await using action = asking({ url: agent.url });
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    await action.handle({ deliveryId: 'd-42', traceparent });
    expect(agent.asked).toMatchObject([{ messageId: 'd-42', role: 'user' }]);
    const [{ texts, data } = { texts: [], data: [] }] = agent.asked;
    expect(texts).toHaveLength(1);
    expect(texts[0]).toMatch(/^What ails web-1\?\n/);
    const context = {
      eventName: 'oom-kill',
      eventTime: '2026-01-02T03:04:05Z',
      resourceName: 'web-1',
      namespace: 'shop',
      eventMessage: 'Container web was OOM killed',
    };
    expect(data).toEqual([{ agentId: agent.url, prompt: 'What ails web-1?', context }]);
    for (const { headers } of agent.peer.seen) expect(headers.traceparent).toBe(traceparent);
  });

  it('is canceled when its time is up', async () => {
    const behave: Behaviour = async (turn) => {
      turn.working();
      await new Promise((resolve) => turn.canceled.addEventListener('abort', resolve));
    };
    await using agent = await startAgent({ ...way, behave });
    await using action = asking({ url: agent.url, timeout: '1s' });
    const result = await action.handle();
    expect(result).toMatchObject({ status: 'rejected', timedOut: true });
    expect(result).toMatchObject({ reason: expect.stringMatching(/^no end in 1s: task .* canceled$/) });
    expect(agent.canceled).toHaveLength(1);
  });

  it('is resumed by its task after an attempt that was cut short', async () => {
    const go = Promise.withResolvers<void>();
    await using agent = await startAgent({
      ...way,
      behave: async (turn) => {
        turn.working();
        await go.promise;
        turn.end('completed', 'done');
      },
    });
    await using action = asking({ url: agent.url });
    const stop = new AbortController();
    const first = action.handle({ signal: stop.signal });
    await expect.poll(() => action.remembered).not.toBeNull();
    stop.abort(new Error('stopped'));
    expect(await first).toMatchObject({ status: 'retry', reason: 'aborted: stopped' });
    const second = action.handle({ number: 2 });
    setTimeout(go.resolve, 50);
    expect(await second).toMatchObject({ status: 'delivered', output: 'done' });
    expect(agent.asked).toHaveLength(1);
    expect(agent.canceled).toEqual([]);
  });
});

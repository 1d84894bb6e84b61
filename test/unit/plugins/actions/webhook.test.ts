import { HTTP } from 'cloudevents';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';

import { AppError, checkConfig, parseConfig } from '#core';

import { webhook } from '../../../../plugins/actions/webhook/index.ts';
import { retryAfterMs } from '../../../../plugins/http-answers.ts';
import { attemptOf, eventOf, manualClock, silentLog } from '../../../kit/action-context.ts';
import { checkActionContract } from '../../../kit/contract.ts';

const URL_TEXT = 'https://receiver.test/events';
const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);

checkActionContract(webhook, { url: URL_TEXT, secret: 'shared between the two of us' });

type Answer = () => Response | Promise<Response>;

/** The action before an endpoint that gives these answers, the last one again and again. */
function before(answers: Answer | readonly Answer[], config: object = {}) {
  const queue = typeof answers === 'function' ? [answers] : [...answers];
  const requests: Request[] = [];
  const clock = manualClock(NOW);
  const fetch: typeof globalThis.fetch = async (input, init) => {
    requests.push(new Request(input, init));
    return (queue.length > 1 ? queue.shift()! : queue[0]!)();
  };
  const run = () => Promise.reject(new Error('a webhook runs no program'));
  const options = parseConfig(webhook.config, { url: URL_TEXT, ...config }, 'webhook');
  const action = webhook.create(options, { clock, log: silentLog, fetch, run });
  return { clock, requests, handle: (parts = {}) => action.handle(eventOf(), attemptOf(parts)) };
}

function answer(status: number, headers: Record<string, string> = {}, body: string | null = null): Answer {
  return () => new Response(body, { status, headers });
}

function refused(config: object): string[] {
  return checkConfig(webhook.config, { url: URL_TEXT, ...config }).issues.map(({ path }) => path);
}

describe('a webhook request', () => {
  it('is a CloudEvent that the reference library reads', async () => {
    const { handle, requests } = before(answer(204));
    await handle();
    const request = requests[0]!;
    const body = await request.text();
    const event = HTTP.toEvent({ headers: Object.fromEntries(request.headers), body });
    expect(request).toMatchObject({ method: 'POST', url: URL_TEXT, redirect: 'manual' });
    expect(request.headers.get('content-type')).toBe('application/cloudevents+json');
    expect(event).toMatchObject({
      specversion: '1.0',
      id: 'netlink-f00d-7',
      type: 'netlink.link-deleted',
      source: '//trotline/node-1/netlink',
      subject: 'veth0',
      time: '2026-01-02T03:04:05.000Z',
      data: { interface: 'veth0', message_type: 17, attributes: { 'netlink.link.mtu': 1500 } },
    });
  });

  it('carries the delivery id, the trace and the time', async () => {
    const { handle, requests } = before(answer(204), { headers: { Authorization: 'Bearer abc' } });
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    await handle({ deliveryId: 'd-1', traceparent });
    expect(Object.fromEntries(requests[0]!.headers)).toEqual({
      authorization: 'Bearer abc',
      'content-type': 'application/cloudevents+json',
      'idempotency-key': 'd-1',
      traceparent,
      'webhook-id': 'd-1',
      'webhook-timestamp': String(NOW / 1000),
    });
  });

  it.each([
    ['base64 after whsec_', 'whsec_c2hhcmVkIGJldHdlZW4gdXMgdHdv', 'shared between us two'],
    ['any other text', 'schlüssel', 'schlüssel'],
  ])('is signed with a secret that is %s', async (_, secret, key) => {
    const { handle, requests } = before(answer(204), { secret });
    await handle({ deliveryId: 'd-1' });
    const body = await requests[0]!.text();
    const expected = new Webhook(Buffer.from(key), { format: 'raw' }).sign('d-1', new Date(NOW), body);
    expect(requests[0]!.headers.get('webhook-signature')).toBe(expected);
  });
});

describe('a webhook answer', () => {
  it('is delivered with 2xx, and its body is kept', async () => {
    const { handle } = before(answer(200, {}, 'thank you'));
    expect(await handle()).toEqual({ status: 'delivered', detail: '200 in 0 ms', output: 'thank you' });
  });

  it.each([408, 425, 429, 500, 502, 503, 504, 507, 599])('is tried again with %i', async (status) => {
    expect(await before(answer(status)).handle()).toMatchObject({
      status: 'retry',
      reason: `endpoint answered ${status}`,
    });
  });

  it.each([304, 400, 401, 403, 404, 409, 410, 422])('is rejected with %i', async (status) => {
    expect(await before(answer(status)).handle()).toMatchObject({
      status: 'rejected',
      reason: `endpoint answered ${status}`,
    });
  });

  it.each([
    ['https://elsewhere.test:8443/x?token=abc', 'elsewhere.test:8443'],
    ['/login', 'receiver.test'],
    ['http://[', 'nowhere'],
  ])('is rejected when it redirects to %s, naming the host alone', async (location, host) => {
    const reason = `endpoint answered 307: redirects to ${host} are not followed`;
    expect(await before(answer(307, { location })).handle()).toMatchObject({ status: 'rejected', reason });
  });

  it.each([
    ['120', 120_000],
    ['0', 0],
    ['999999999', 3_600_000],
    ['Fri, 02 Jan 2026 03:05:05 GMT', 60_000],
    ['Friday, 02-Jan-26 03:05:05 GMT', 60_000],
    ['Fri Jan  2 03:05:05 2026', 60_000],
    ['Fri, 02 Jan 2026 03:00:00 GMT', 0],
    ['soon', undefined],
    ['-1', undefined],
    ['2027', 2_027_000],
    ['', undefined],
  ])('waits as Retry-After %j says', (value, expected) => {
    expect(retryAfterMs(value, NOW)).toBe(expected);
  });

  it('passes Retry-After on', async () => {
    const { handle } = before(answer(429, { 'retry-after': '7' }));
    expect(await handle()).toMatchObject({ status: 'retry', afterMs: 7000 });
  });

  it('keeps 64 KiB of an endless body and cancels the rest', async () => {
    let cancelled = false;
    const body = new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array(10_000).fill(97)),
      cancel: () => void (cancelled = true),
    });
    const result = await before(() => new Response(body)).handle();
    expect({ status: result.status, length: result.output?.length, cancelled }).toEqual({
      status: 'delivered',
      length: 65_536,
      cancelled: true,
    });
  });

  it('counts by its status when the body breaks off', async () => {
    const body = new ReadableStream({ pull: (controller) => controller.error(new Error('reset')) });
    expect(await before(() => new Response(body)).handle()).toEqual({ status: 'delivered', detail: '200 in 0 ms' });
  });

  it('loses the secrets that it echoes', async () => {
    const config = { headers: { authorization: 'Bearer abc-def' }, secret: 'shared between us two' };
    const echo = answer(200, {}, 'you said Bearer abc-def, signed with shared between us two');
    const { output } = await before(echo, config).handle();
    expect(output).toBe('you said [redacted], signed with [redacted]');
  });
});

describe('a webhook without an answer', () => {
  it('is tried again, with the cause at the bottom', async () => {
    const cause = new Error('connect ECONNREFUSED 192.0.2.1:443');
    const { handle } = before(() => Promise.reject(new TypeError('fetch failed', { cause })));
    expect(await handle()).toEqual({ status: 'retry', reason: `endpoint not reached: ${cause.message}` });
  });

  it('is tried again after its timeout', async () => {
    const silent = webhook.create(parseConfig(webhook.config, { url: URL_TEXT, timeout: '100ms' }, 'webhook'), {
      clock: manualClock(),
      log: silentLog,
      fetch: (_, init) => new Promise((__, reject) => init!.signal!.addEventListener('abort', reject)),
      run: () => Promise.reject(new Error('a webhook runs no program')),
    });
    const result = await silent.handle(eventOf(), attemptOf());
    expect(result).toEqual({ status: 'retry', reason: 'no answer in 100ms', timedOut: true });
  });

  it('is rejected when the policy of the node refuses its destination', async () => {
    const refusal = new AppError('POLICY_REFUSED', "the node's policy refuses a.test: 10.0.0.1 is private");
    const { handle } = before(() => Promise.reject(refusal));
    expect(await handle()).toEqual({ status: 'rejected', reason: refusal.message });
  });

  it.each([
    ['the secret', { secret: { env: 'KEY' } }, '/secret'],
    ['the secret of a stored configuration', { secret: '[redacted]' }, '/secret'],
    ['a header', { headers: { authorization: { file: '/run/token' } } }, '/headers/authorization'],
  ])('is tried again while %s is unavailable, and nothing is sent', async (_, config, place) => {
    const { handle, requests } = before(answer(204), config);
    expect(await handle()).toEqual({ status: 'retry', reason: `secret unavailable: ${place}` });
    expect(requests).toEqual([]);
  });
});

describe('the breaker of a webhook', () => {
  async function fail(handle: () => Promise<unknown>, times: number): Promise<void> {
    for (let count = 0; count < times; count += 1) await handle();
  }

  it('opens after five failures in a row, and says why', async () => {
    const { handle, requests, clock } = before(answer(503));
    await fail(handle, 5);
    clock.advance(4000);
    const reason = 'breaker open after 5 failures: endpoint answered 503';
    expect(await handle()).toEqual({ status: 'retry', reason, afterMs: 6000 });
    expect(requests).toHaveLength(5);
  });

  it('stays closed when a success or a rejection comes between', async () => {
    const { handle, requests } = before([503, 503, 503, 503, 404, 503, 503, 503, 503, 204].map((code) => answer(code)));
    await fail(handle, 10);
    expect(requests).toHaveLength(10);
  });

  it('closes when the attempt after ten seconds succeeds', async () => {
    const { handle, clock } = before([...Array<Answer>(5).fill(answer(500)), answer(204)]);
    await fail(handle, 5);
    clock.advance(10_000);
    expect(await handle()).toMatchObject({ status: 'delivered' });
    expect(await handle()).toMatchObject({ status: 'delivered' });
  });

  it('opens again when that attempt fails', async () => {
    const { handle, clock, requests } = before(answer(500));
    await fail(handle, 5);
    clock.advance(10_000);
    expect(await handle()).toMatchObject({ reason: 'endpoint answered 500' });
    expect(await handle()).toMatchObject({ reason: expect.stringContaining('breaker open'), afterMs: 10_000 });
    expect(requests).toHaveLength(6);
  });

  it('lets one attempt through at a time while it probes', async () => {
    const probe = Promise.withResolvers<Response>();
    const { handle, clock, requests } = before([...Array<Answer>(5).fill(answer(500)), () => probe.promise]);
    await fail(handle, 5);
    clock.advance(10_000);
    const first = handle();
    expect(await handle()).toMatchObject({ reason: expect.stringContaining('breaker open'), afterMs: 1000 });
    probe.resolve(new Response(null, { status: 204 }));
    expect(await first).toMatchObject({ status: 'delivered' });
    expect(requests).toHaveLength(6);
  });

  it('counts no aborted attempt, and is not closed by one', async () => {
    const lease = new AbortController();
    const aborting: Answer = () => {
      lease.abort(new Error('lease lost'));
      return Promise.reject(lease.signal.reason);
    };
    const failures = Array<Answer>(5).fill(answer(500));
    const { handle, clock } = before([...failures, aborting, answer(204)]);
    await fail(handle, 4);
    expect(await handle({ signal: AbortSignal.abort(new Error('lease lost')) })).toEqual({
      status: 'retry',
      reason: 'aborted: lease lost',
    });
    await fail(handle, 1);
    clock.advance(10_000);
    expect(await handle({ signal: lease.signal })).toMatchObject({ reason: 'aborted: lease lost' });
    expect(await handle()).toMatchObject({ reason: expect.stringContaining('breaker open') });
  });
});

describe('the configuration of a webhook', () => {
  it.each(['ftp://a.test/', 'http://', 'http://[::1', 'https://user:secret@a.test/', 'https://a.test/ x', 'a.test'])(
    'refuses the url %s',
    (url) => {
      expect(new Set(refused({ url }))).toEqual(new Set(['/url']));
    },
  );

  it.each(['Content-Type', 'content-length', 'WEBHOOK-id', 'webhook-anything', 'Idempotency-Key', 'host', 'a b', 'ä'])(
    'refuses the header %s',
    (name) => {
      expect(refused({ headers: { [name]: 'x' } })).toContain(`/headers/${name}`);
    },
  );

  it.each(['a\r\nb: c', 'a\nb', 'a\u0000', '€'])('refuses the header value %j', (value) => {
    expect(refused({ headers: { 'x-a': value } })).toEqual(['/headers/x-a']);
  });

  it('takes headers that only begin like reserved ones', () => {
    expect(refused({ headers: { 'content-typed': 'x', hosts: 'y', Authorization: 'z' } })).toEqual([]);
  });

  it.each([['whsec_not base64'], [''], [5], [{}], [{ env: 'A', file: '/b' }], [{ file: 'b' }], [{ vault: 'x' }]])(
    'refuses the secret %j',
    (secret) => {
      expect(refused({ secret })[0]).toMatch(/^\/secret/);
    },
  );
});

import { describe, expect, it } from 'vitest';

import { Counter, Histogram, metricText, Probes } from '#core';

import { silentLog } from '../../kit/action-context.ts';

interface Said {
  ready: string | null;
}

async function probesOf(said: Said, listen = '127.0.0.1:0') {
  const probes = new Probes({
    listen,
    notReady: () => said.ready,
    metrics: () => 'up 1\n',
    log: silentLog,
  });
  await probes.start();
  const ask = async (path: string, method = 'GET'): Promise<[number, string]> => {
    const answer = await fetch(`http://127.0.0.1:${probes.port}${path}`, { method });
    return [answer.status, await answer.text()];
  };
  return { probes, ask, [Symbol.asyncDispose]: () => probes.stop() };
}

describe('probes', () => {
  it('H19: tell life and readiness apart, with the reason', async () => {
    const said: Said = { ready: 'standing by' };
    await using process = await probesOf(said);
    expect(await process.ask('/healthz')).toEqual([200, 'ok\n']);
    expect(await process.ask('/livez?verbose')).toEqual([200, 'ok\n']);
    expect(await process.ask('/readyz')).toEqual([503, 'standing by\n']);
    said.ready = null;
    expect(await process.ask('/readyz')).toEqual([200, 'ok\n']);
    expect(await process.ask('/metrics')).toEqual([200, 'up 1\n']);
  });

  it('answer nothing else', async () => {
    await using process = await probesOf({ ready: null });
    expect(await process.ask('/secret')).toEqual([404, 'expected /healthz, /livez, /readyz or /metrics\n']);
    expect(await process.ask('/healthz', 'POST')).toEqual([405, 'expected GET\n']);
  });

  it('name an address that is taken', async () => {
    await using process = await probesOf({ ready: null });
    await expect(probesOf({ ready: null }, `127.0.0.1:${process.probes.port}`)).rejects.toMatchObject({
      code: 'STATE_ILLEGAL',
      message: expect.stringContaining('EADDRINUSE'),
    });
  });
});

describe('metrics as text', () => {
  it('count by labels, whatever stands in them', () => {
    const counter = new Counter();
    counter.add({ hook: 'a"b\\c\nd' });
    counter.add({ hook: 'a"b\\c\nd' }, 2);
    expect(metricText([{ name: 'x_total', type: 'counter', help: 'Things.', samples: counter.samples }])).toBe(
      '# HELP x_total Things.\n# TYPE x_total counter\nx_total{hook="a\\"b\\\\c\\nd"} 3\n',
    );
  });

  it('add up the buckets of a histogram', () => {
    const histogram = new Histogram([0.1, 1]);
    for (const seconds of [0.05, 0.1, 0.5, 7]) histogram.observe({}, seconds);
    const text = metricText([{ name: 'd', type: 'histogram', help: 'How long.', samples: histogram.samples }]);
    expect(text.split('\n').slice(2, -1)).toEqual([
      'd_bucket{le="0.1"} 2',
      'd_bucket{le="1"} 3',
      'd_bucket{le="+Inf"} 4',
      'd_sum 7.65',
      'd_count 4',
    ]);
  });
});

import { describe, expect, it, onTestFinished } from 'vitest';

import { type ApiClient, ApiError, type Json } from '../../../../../plugins/sources/kubernetes/api/client.ts';
import { Reflector } from '../../../../../plugins/sources/kubernetes/api/reflector.ts';
import { manualClock, silentLog } from '../../../../kit/action-context.ts';
import { eventually } from '../../../../kit/eventually.ts';

/** One open watch: the test says its lines, and ends it. */
class Watch implements AsyncIterable<Json> {
  readonly query: URLSearchParams;
  readonly signal: AbortSignal;
  readonly #lines: (Json | 'end' | Error)[] = [];
  #wake: () => void = () => undefined;

  constructor(path: string, signal: AbortSignal) {
    this.query = new URL(path, 'http://api').searchParams;
    this.signal = signal;
    signal.addEventListener('abort', () => this.#wake(), { once: true });
  }

  say(...lines: (Json | 'end' | Error)[]): void {
    this.#lines.push(...lines);
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Json> {
    for (;;) {
      this.signal.throwIfAborted();
      const line = this.#lines.shift();
      if (line === undefined) await new Promise<void>((resolve) => (this.#wake = resolve));
      else if (line === 'end') return;
      else if (line instanceof Error) throw line;
      else yield line;
    }
  }
}

const change = (version: number, type = 'MODIFIED', name = 'web'): Json => ({
  type,
  object: { metadata: { name, uid: name, resourceVersion: String(version) } },
});
const list = (version: number, names: readonly string[] = [], next = ''): Json => ({
  metadata: { resourceVersion: String(version), continue: next },
  items: names.map((name) => ({ metadata: { name, uid: name } })),
});

function reflecting(answers: (Json | Error)[], watchErrors: (Error | null)[] = [], from?: string) {
  const clock = manualClock();
  const halt = new AbortController();
  const watches: Watch[] = [];
  const asked: string[] = [];
  const told: string[] = [];
  const deaf: (string | null)[] = [];
  const client: ApiClient = {
    get: async (path) => {
      asked.push(path);
      const answer = answers.length > 1 ? answers.shift() : answers[0];
      if (answer instanceof Error) throw answer;
      return answer ?? {};
    },
    send: async () => ({}),
    watch: async (path, signal) => {
      const error = watchErrors.shift();
      if (error) throw error;
      const watch = new Watch(path, signal);
      watches.push(watch);
      return watch;
    },
    close: () => undefined,
  };
  const reflector = new Reflector({
    client,
    path: '/api/v1/pods',
    fieldSelector: 'spec.nodeName=node-1',
    from,
    clock,
    log: silentLog,
    signal: halt.signal,
    onDeaf: (why) => void deaf.push(why),
    heard: {
      listed: async (objects, gap) => void told.push(`${gap ? 'gap ' : ''}list ${objects.length}`),
      changed: async (type, object) => void told.push(`${type} ${String((object.metadata as Json).resourceVersion)}`),
    },
  });
  const running = reflector.run();
  onTestFinished(async () => {
    halt.abort();
    await running;
  });
  const watch = async (number: number): Promise<Watch> => {
    await eventually(() => watches.length >= number);
    return watches[number - 1]!;
  };
  return { clock, halt, watches, watch, asked, told, deaf, reflector, running };
}

describe('a collection of the API server', () => {
  it('is listed in pages, and watched from the first one on', async () => {
    const { watch, asked, told } = reflecting([list(10, ['a', 'b'], 'more'), list(12, ['c'])]);
    const { query } = await watch(1);
    expect(told).toEqual(['list 3']);
    expect(asked[1]).toContain('continue=more');
    expect(query.get('resourceVersion')).toBe('10');
    expect(query.get('fieldSelector')).toBe('spec.nodeName=node-1');
    expect(query.get('allowWatchBookmarks')).toBe('true');
  });

  it('is watched on from the last version when the server ends a watch, without a list', async () => {
    const { watch, asked, told } = reflecting([list(10)]);
    (await watch(1)).say(change(11), change(12, 'BOOKMARK'), 'end');
    expect((await watch(2)).query.get('resourceVersion')).toBe('12');
    expect(told).toEqual(['list 0', 'MODIFIED 11']);
    expect(asked).toHaveLength(1);
  });

  it.each([
    ['answers 410', [new ApiError(410, 'gone', null)], null],
    ['says 410 in the stream', [], { type: 'ERROR', object: { code: 410, message: 'too old' } }],
  ])('H8: is listed again where the watch %s, and that is a gap', async (_, errors, line) => {
    const { watch, told } = reflecting([list(10), list(50, ['a'])], errors);
    if (line) (await watch(1)).say(line);
    await eventually(() => told.length === 2);
    expect(told).toEqual(['list 0', 'gap list 1']);
  });

  it('goes on where a former life had stopped', async () => {
    const { watch, asked } = reflecting([list(10)], [], '77');
    expect((await watch(1)).query.get('resourceVersion')).toBe('77');
    expect(asked).toEqual([]);
  });

  it('H8: a quiet watch is replaced by one that is open before it is closed', async () => {
    const { clock, watch, told } = reflecting([list(10)]);
    const first = await watch(1);
    clock.advance(20_000);
    const second = await watch(2);
    await eventually(() => first.signal.aborted);
    second.say(change(11));
    await eventually(() => told.includes('MODIFIED 11'));
    expect(second.signal.aborted).toBe(false);
  });

  it('H8: is named deaf when nobody answers that proof, and heals', async () => {
    const { clock, watch, deaf } = reflecting([list(10)], [null, new Error('no answer within 10 s')]);
    await watch(1);
    clock.advance(20_000);
    await eventually(() => deaf.length === 1);
    clock.advance(1000);
    expect((await watch(2)).query.get('resourceVersion')).toBe('10');
    await eventually(() => deaf.length === 2);
    expect(deaf).toEqual(['no answer within 10 s', null]);
  });

  it.each([
    ['refuses', new ApiError(403, 'pods is forbidden', null), 'pods is forbidden'],
    ['answers something else', { kind: 'Status' }, 'answered no list'],
  ])('tells once that the server %s, and asks again', async (_, answer, why) => {
    const { clock, deaf, asked, watch } = reflecting([answer, answer, list(10)]);
    await eventually(() => asked.length === 1 && deaf.length === 1);
    clock.advance(1000);
    await eventually(() => asked.length === 2);
    clock.advance(2000);
    await watch(1);
    expect(deaf).toEqual([expect.stringContaining(why), null]);
  });

  it('waits as long as the server asks it to', async () => {
    const { clock, asked } = reflecting([new ApiError(429, 'too many', 9000), list(10)]);
    await eventually(() => asked.length === 1);
    clock.advance(8000);
    await new Promise((resolve) => setImmediate(resolve));
    expect(asked).toHaveLength(1);
    clock.advance(1500);
    await eventually(() => asked.length === 2);
  });

  it('is read again from the last line that was taken when a stream breaks', async () => {
    const { clock, watch, told, deaf } = reflecting([list(10)]);
    (await watch(1)).say(change(11), new Error('a watch told no JSON: "<html>"'));
    await eventually(() => deaf.length === 1);
    clock.advance(1000);
    expect((await watch(2)).query.get('resourceVersion')).toBe('11');
    expect(told).toEqual(['list 0', 'MODIFIED 11']);
  });

  it('ends with its signal', async () => {
    const { halt, running, watch } = reflecting([list(10)]);
    const first = await watch(1);
    halt.abort();
    await running;
    expect(first.signal.aborted).toBe(true);
  });
});

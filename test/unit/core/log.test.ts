import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';

import { context, INVALID_SPAN_CONTEXT, trace } from '@opentelemetry/api';
import { afterEach, describe, expect, it } from 'vitest';

import { AppError, createBoundedLog, createLog, createLogTo, flushLogs, type LogLevel, withSpan } from '#core';

import { ActiveContext } from '../../../core/active-context.ts';

function lines(level: LogLevel = 'debug') {
  const written: string[] = [];
  const log = createLogTo(level, { write: (line) => written.push(line) });
  return { log, parsed: () => written.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

describe('the log', () => {
  it('writes a line of JSON with time, level, message and fields', () => {
    const { log, parsed } = lines();
    log.child({ plugin: 'a' }).info({ hook: 'x' }, 'hook applied');
    expect(parsed()).toEqual([
      { level: 'info', time: expect.stringMatching(/^\d{4}-.*Z$/), plugin: 'a', hook: 'x', msg: 'hook applied' },
    ]);
  });

  it.each([
    ['debug', 4],
    ['info', 3],
    ['warn', 2],
    ['error', 1],
    ['silent', 0],
  ] as const)('at level %s leaves out what is below', (level, count) => {
    const { log, parsed } = lines(level);
    for (const say of ['debug', 'info', 'warn', 'error'] as const) log[say]({}, 'x');
    expect(parsed()).toHaveLength(count);
  });

  it('writes an error with code, message, stack and cause', () => {
    const { log, parsed } = lines();
    const cause = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
    log.error({ error: new AppError('PEER_UNAVAILABLE', 'no peer', { cause, details: { secret: 1 } }) }, 'failed');
    expect(parsed()[0]?.error).toEqual({
      name: 'AppError',
      code: 'PEER_UNAVAILABLE',
      message: 'no peer',
      stack: expect.stringContaining('log.test.ts'),
      cause: { name: 'Error', code: 'ECONNREFUSED', message: 'refused', stack: expect.any(String) },
    });
  });

  it('writes each error of an AggregateError, and causes that are no errors', () => {
    const { log, parsed } = lines();
    const errors = [new Error('one'), 'two'];
    log.error({ error: new AggregateError(errors, 'both', { cause: 'a word' }) }, 'failed');
    log.error({ error: 'text' }, 'failed');
    expect(parsed()).toMatchObject([
      { error: { errors: [{ message: 'one' }, 'two'], cause: 'a word' } },
      { error: 'text' },
    ]);
  });

  it('comes to an end with an error that is its own cause', () => {
    const { log, parsed } = lines();
    const ring = new Error('ring');
    ring.cause = ring;
    log.error({ error: ring }, 'failed');
    expect(JSON.stringify(parsed()).match(/"message":"ring"/g)).toHaveLength(6);
  });

  it('goes to a descriptor by itself', () => {
    createLog('silent').error({}, 'never seen');
    createLog('silent', 2).error({}, 'never seen');
  });
});

/** Takes nothing until `read`. */
function unread() {
  const lines: string[] = [];
  let read = false;
  let take = (): void => undefined;
  const stream = new Writable({
    decodeStrings: false,
    write: (line: string, _encoding, done) => {
      take = () => {
        if (line !== '') lines.push(line);
        done();
      };
      if (read) take();
    },
  });
  const parsed = () => lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  return { stream, parsed, read: () => ((read = true), take()) };
}

describe('a log that nobody reads', () => {
  it('drops lines beyond a megabyte, and tells their number once it is read', async () => {
    const { stream, parsed, read } = unread();
    const log = createBoundedLog('info', stream);
    for (let index = 0; index < 5000; index++) log.info({ text: 'x'.repeat(1000) }, 'line');
    expect(stream.writableLength).toBeLessThan(1.1 * 2 ** 20);
    read();
    await flushLogs([stream]);
    const last = parsed().at(-1);
    expect(last).toMatchObject({ level: 'warn', msg: 'log lines dropped' });
    expect(parsed().length - 1 + Number(last?.dropped)).toBe(5000);
    log.info({}, 'read again');
    expect(parsed().at(-1)).toMatchObject({ msg: 'read again' });
  });

  it('does not outlive its reader’s end by an error', () => {
    const stream = new Writable({ write: (_line, _encoding, done) => done(new Error('EPIPE')) });
    createBoundedLog('info', stream).info({}, 'line');
    expect(() => stream.emit('error', new Error('EPIPE'))).not.toThrow();
  });

  it('has nothing to flush when all is taken', async () => {
    await flushLogs([unread().stream]);
    await flushLogs();
  });

  it('never blocks the process, and has its last line when it is read before the end', async () => {
    const program = `
      import { createLog, flushLogs } from '#core';
      const log = createLog('info');
      const lines = (count) => { for (let index = 0; index < count; index++) log.info({ text: 'x'.repeat(200) }, 'line') };
      lines(20_000);
      process.stderr.write('not blocked');
      process.stdout.once('drain', async () => {
        lines(3000);
        log.info({}, 'stopped');
        await flushLogs();
        process.exit(0);
      });`;
    const child = spawn(process.execPath, ['--conditions=source', '--input-type=module', '--eval', program]);
    await once(child.stderr, 'data');
    const written = (await text(child.stdout)).trim().split('\n');
    const parsed = written.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(parsed.at(-1)).toMatchObject({ msg: 'stopped' });
    const dropped = Number(parsed.find(({ msg }) => msg === 'log lines dropped')?.dropped);
    expect(dropped).toBeGreaterThan(0);
    expect(parsed.filter(({ msg }) => msg === 'line').length + dropped).toBe(23_000);
  });
});

describe('the log within a span', () => {
  afterEach(() => {
    context.disable();
  });

  const spanContext = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', traceFlags: 1 };

  it('adds the ids of the active span, across awaits, and none outside', async () => {
    context.setGlobalContextManager(new ActiveContext());
    const { log, parsed } = lines();
    await withSpan(trace.wrapSpanContext(spanContext), async () => {
      await Promise.resolve();
      log.info({}, 'inside');
    });
    log.info({}, 'outside');
    withSpan(trace.wrapSpanContext(INVALID_SPAN_CONTEXT), () => log.info({}, 'unrecorded'));
    const [inside, ...others] = parsed();
    expect(inside).toMatchObject({ traceId: spanContext.traceId, spanId: spanContext.spanId });
    for (const line of others) expect(line).not.toHaveProperty('traceId');
  });
});

describe('the active context', () => {
  const key = Symbol('key');

  it('binds functions to a context and leaves other things alone', () => {
    const manager = new ActiveContext().enable();
    const inner = manager.active().setValue(key, 'inner');
    const bound = manager.bind(inner, function (this: { word: string }, end: string) {
      return `${String(manager.active().getValue(key))} ${this.word}${end}`;
    });
    expect(bound.call({ word: 'yes' }, '!')).toBe('inner yes!');
    expect(manager.bind(inner, 7)).toBe(7);
  });

  it('hands arguments and this on, and is the root once disabled', () => {
    const manager = new ActiveContext();
    const inner = manager.active().setValue(key, 1);
    expect(
      manager.with(
        inner,
        function (this: number, a: number) {
          return this + a;
        },
        40,
        2,
      ),
    ).toBe(42);
    expect(manager.with(inner, () => manager.disable().active().getValue(key))).toBeUndefined();
  });
});

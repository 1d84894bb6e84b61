import { describe, expect, it } from 'vitest';

import { type Component, Lifecycle, type Log, Supervisor } from '#core';

/** A component that writes down what happens to it. */
function part(name: string, seen: string[], own: Component = {}): Component {
  return {
    start: async (signal) => {
      seen.push(`start ${name}`);
      await own.start?.(signal);
    },
    drain: async (deadline) => {
      seen.push(`drain ${name}`);
      await own.drain?.(deadline);
    },
    stop: async () => {
      seen.push(`stop ${name}`);
      await own.stop?.();
    },
  };
}

/** Keeps the messages with their fields. */
function listening(lines: { fields: object; message: string }[] = []): { log: Log; lines: typeof lines } {
  const say = (fields: object, message: string): void => void lines.push({ fields, message });
  const log: Log = { debug: say, info: say, warn: say, error: say, child: () => log };
  return { log, lines };
}

/** Ends when the signal aborts, as an honest start does. */
function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) =>
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }),
  );
}

const never = (): Promise<void> => new Promise(() => undefined);
const fails = (message: string) => () => Promise.reject(new Error(message));

describe('a lifecycle', () => {
  it('goes from created over running and draining to stopped, with a log line each', async () => {
    const { log, lines } = listening();
    const life = new Lifecycle('a', part('a', []), log);
    expect(life.state).toBe('created');
    await life.start();
    expect(life.state).toBe('running');
    await life.drain(AbortSignal.timeout(1000));
    expect(life.state).toBe('draining');
    await life.stop();
    expect(lines.map(({ fields }) => fields)).toEqual(
      ['starting', 'running', 'draining', 'stopped'].map((state) => ({ part: 'a', state })),
    );
  });

  it('needs nothing of a component', async () => {
    await using life = new Lifecycle('a', {});
    await life.start();
    await life.drain(AbortSignal.timeout(1000));
    await life.stop();
    expect(life.state).toBe('stopped');
  });

  it('stops once, however often it is told', async () => {
    const seen: string[] = [];
    const life = new Lifecycle('a', part('a', seen));
    await life.start();
    const first = life.stop();
    expect(life.stop()).toBe(first);
    await first;
    await life[Symbol.asyncDispose]();
    expect(seen).toEqual(['start a', 'stop a']);
  });

  it('stops without a start', async () => {
    const seen: string[] = [];
    await new Lifecycle('a', part('a', seen)).stop();
    expect(seen).toEqual(['stop a']);
  });

  it('stops a component whose start failed and passes the error on', async () => {
    const seen: string[] = [];
    const { log, lines } = listening();
    const life = new Lifecycle('a', part('a', seen, { start: fails('no port') }), log);
    await expect(life.start()).rejects.toThrow('no port');
    expect(seen).toEqual(['start a', 'stop a']);
    expect(lines.map(({ fields }) => ('state' in fields ? fields.state : null))).toEqual([
      'starting',
      'failed',
      'stopped',
    ]);
  });

  it('treats a start that throws at once like one that rejects', async () => {
    const seen: string[] = [];
    const throws = (): never => {
      throw new Error('at once');
    };
    const life = new Lifecycle('a', { ...part('a', seen), start: throws });
    await expect(life.start()).rejects.toThrow('at once');
    expect(seen).toEqual(['stop a']);
    expect(life.state).toBe('stopped');
  });

  it('keeps the error of the start when the stop after it fails too', async () => {
    const { log, lines } = listening();
    const life = new Lifecycle('a', { start: fails('first'), stop: fails('second') }, log);
    await expect(life.start()).rejects.toThrow('first');
    expect(lines.at(-1)).toMatchObject({ message: 'stop after failed start failed', fields: { part: 'a' } });
  });

  it('aborts the start and waits for it when stopped meanwhile', async () => {
    const seen: string[] = [];
    const start = async (signal: AbortSignal): Promise<void> => {
      await untilAborted(signal).catch(() => undefined);
      seen.push('start ended');
    };
    const life = new Lifecycle('a', part('a', seen, { start }));
    const started = life.start();
    const stopped = life.stop();
    await expect(started).rejects.toMatchObject({ code: 'STATE_ILLEGAL', message: 'a was stopped while starting' });
    await stopped;
    expect(seen).toEqual(['start a', 'start ended', 'stop a']);
    expect(life.state).toBe('stopped');
  });

  it('is stopped, not failed, when the aborted start rejects', async () => {
    const { log, lines } = listening();
    const life = new Lifecycle('a', { start: untilAborted }, log);
    const started = life.start();
    await Promise.all([life.stop(), expect(started).rejects.toThrow('stopped while starting')]);
    expect(lines.map(({ fields }) => fields)).toEqual([
      { part: 'a', state: 'starting' },
      { part: 'a', state: 'stopped' },
    ]);
  });

  it.each(['running', 'stopped'])('does not start when %s', async (state) => {
    const life = new Lifecycle('a', {});
    await life.start();
    if (state === 'stopped') await life.stop();
    await expect(life.start()).rejects.toMatchObject({
      code: 'STATE_ILLEGAL',
      message: `a cannot go from ${state} to starting`,
    });
    expect(life.state).toBe(state);
  });

  it('drains from running only', async () => {
    const seen: string[] = [];
    const life = new Lifecycle('a', part('a', seen));
    await life.drain(AbortSignal.timeout(1000));
    await life.stop();
    await life.drain(AbortSignal.timeout(1000));
    expect(seen).toEqual(['stop a']);
  });

  it('is stopped even when the stop throws', async () => {
    const life = new Lifecycle('a', { stop: fails('stuck') });
    await expect(life.stop()).rejects.toThrow('stuck');
    expect(life.state).toBe('stopped');
  });
});

describe('a supervisor', () => {
  function group(parts: Readonly<Record<string, Component>>) {
    const seen: string[] = [];
    const { log, lines } = listening();
    const supervisor = new Supervisor(log);
    const lives = Object.entries(parts).map(([name, own]) => supervisor.add(name, part(name, seen, own)));
    return { supervisor, seen, lines, lives };
  }

  it('starts in order, drains and stops in reverse', async () => {
    const { supervisor, seen } = group({ a: {}, b: {} });
    await supervisor.start();
    await supervisor.drainAndStop(AbortSignal.timeout(1000));
    expect(seen).toEqual(['start a', 'start b', 'drain b', 'drain a', 'stop b', 'stop a']);
  });

  it('stops what started when a start fails, and rethrows', async () => {
    const { supervisor, seen, lives } = group({ a: {}, b: { start: fails('no b') }, c: {} });
    await expect(supervisor.start()).rejects.toThrow('no b');
    expect(seen).toEqual(['start a', 'start b', 'stop b', 'stop c', 'stop a']);
    expect(lives.map(({ state }) => state)).toEqual(['stopped', 'stopped', 'stopped']);
  });

  it('logs a stop that fails after a failed start', async () => {
    const { supervisor, lines } = group({ a: { stop: fails('stuck') }, b: { start: fails('no b') } });
    await expect(supervisor.start()).rejects.toThrow('no b');
    expect(lines.map(({ message }) => message)).toContain('stop after failed start failed');
  });

  it('collects every error of a stop and keeps going', async () => {
    const { supervisor, seen } = group({ a: { stop: fails('one') }, b: { stop: fails('two') }, c: {} });
    await supervisor.start();
    const error = await supervisor.stop().catch((error: unknown) => error);
    expect(error).toBeInstanceOf(AggregateError);
    expect(error).toMatchObject({ message: 'two; one' });
    expect((error as AggregateError).errors).toHaveLength(2);
    expect(seen.filter((line) => line.startsWith('stop'))).toEqual(['stop c', 'stop b', 'stop a']);
  });

  it('stops regardless once the drain deadline has passed', async () => {
    const deadline = new AbortController();
    const drain = (): Promise<void> => {
      deadline.abort();
      return never();
    };
    const { supervisor, seen } = group({ a: {}, b: { drain } });
    await supervisor.start();
    await supervisor.drainAndStop(deadline.signal);
    expect(seen.slice(2)).toEqual(['drain b', 'stop b', 'stop a']);
  });

  it('drains nothing under a deadline that has passed already', async () => {
    const { supervisor, seen } = group({ a: {} });
    await supervisor.start();
    await supervisor.drainAndStop(AbortSignal.abort());
    expect(seen).toEqual(['start a', 'stop a']);
  });

  it('logs a drain that fails and drains the others', async () => {
    const { supervisor, seen, lines } = group({ a: {}, b: { drain: fails('full') } });
    await supervisor.start();
    await supervisor.drainAndStop(AbortSignal.timeout(1000));
    expect(seen.slice(2, 4)).toEqual(['drain b', 'drain a']);
    expect(lines.find(({ message }) => message === 'drain failed')?.fields).toMatchObject({ part: 'b' });
  });

  it('starts nothing more when it is stopped during a start', async () => {
    const { supervisor, seen } = group({ a: { start: untilAborted }, b: {} });
    const started = supervisor.start();
    await supervisor.stop();
    await expect(started).rejects.toThrow('stopped while starting');
    expect(seen).toEqual(['start a', 'stop b', 'stop a']);
  });

  it('stops at the end of its scope, and needs no log', async () => {
    const seen: string[] = [];
    {
      await using supervisor = new Supervisor();
      supervisor.add('a', part('a', seen));
      supervisor.add('b', part('b', seen, { drain: fails('x') }));
      await supervisor.start();
      await supervisor.drainAndStop(AbortSignal.timeout(1000));
    }
    expect(seen.at(-1)).toBe('stop a');
    const failing = new Supervisor();
    failing.add('a', { start: fails('no a'), stop: fails('stuck') });
    await expect(failing.start()).rejects.toThrow('no a');
  });
});

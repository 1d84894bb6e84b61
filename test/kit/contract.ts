/** What every plugin owes its host, whatever it does. One call per plugin, inside its own test file (style section 9). */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import {
  type Action,
  type ActionDefinition,
  checkConfig,
  type EventDraft,
  Lifecycle,
  type ObjectSchema,
  parseConfig,
  type SourceDefinition,
} from '#core';

import { actionContext, attemptOf, eventOf, manualClock, memoryOf, silentLog, unasked } from './action-context.ts';
import { eventually } from './eventually.ts';
import { undocumented, withOptionTable } from './option-table.ts';

/** `config` is one that works, as a document would write it. */
export function checkActionContract<S extends ObjectSchema>(definition: ActionDefinition<S>, config: unknown): void {
  const create = (context = actionContext()) => ({
    context,
    action: definition.create(parseConfig(definition.config, config, definition.type), context),
  });

  describe(`the contract of action(${definition.type})`, () => {
    checkDefinition('actions', definition);

    it('stops without a start, and again', async () => {
      const { action } = create();
      await action.stop?.();
      await action.stop?.();
    });

    it('lives twice in one process', async () => {
      for (const life of [create(), create()]) {
        await using part = new Lifecycle(definition.type, life.action);
        await part.start();
        expect(await delivered(life)).toMatchObject({ status: 'delivered' });
      }
    });

    it('gives the receiver the delivery id, the same in each attempt', async () => {
      const life = create();
      await delivered(life, 1);
      await delivered(life, 2);
      expect(life.context.calls).toHaveLength(2);
      for (const { seen } of life.context.calls) expect(seen).toContain(attemptOf().deliveryId);
    });

    it('handles different events at the same time', async () => {
      const { action, context } = create();
      const first = action.handle(eventOf({ id: 'netlink-f00d-1' }), attemptOf({ deliveryId: 'd-1' }));
      const second = action.handle(eventOf({ id: 'netlink-f00d-2' }), attemptOf({ deliveryId: 'd-2' }));
      await eventually(() => context.calls.length === 2);
      for (const call of context.calls) call.succeed();
      expect(await Promise.all([first, second])).toMatchObject([{ status: 'delivered' }, { status: 'delivered' }]);
    });

    it('delivers nothing when its signal is aborted already', async () => {
      const { action } = create();
      const { status } = await action.handle(eventOf(), attemptOf({ signal: AbortSignal.abort(new Error('lease')) }));
      expect(status).not.toBe('delivered');
    });

    it('ends at once when its signal aborts under way', async () => {
      const { action, context } = create();
      const lease = new AbortController();
      const result = action.handle(eventOf(), attemptOf({ signal: lease.signal }));
      await eventually(() => context.calls.length === 1);
      lease.abort(new Error('lease'));
      expect((await result).status).not.toBe('delivered');
    });

    it('finishes in a drain what was under way, and does nothing after stop', async () => {
      const life = create();
      const part = new Lifecycle(definition.type, life.action);
      await part.start();
      const result = life.action.handle(eventOf(), attemptOf());
      await eventually(() => life.context.calls.length === 1);
      const drained = part.drain(new AbortController().signal);
      life.context.calls[0]!.succeed();
      await drained;
      expect(await result).toMatchObject({ status: 'delivered' });
      await part.stop();
      expect(life.context.calls).toHaveLength(1);
    });
  });
}

export interface SourceContractOptions {
  /** Makes something happen that the running source hears of. */
  readonly provoke?: () => void | Promise<void>;
}

/** `config` is one that works, as a document would write it; the definition's surroundings may be fakes. */
export function checkSourceContract<S extends ObjectSchema>(
  definition: SourceDefinition<S>,
  config: unknown,
  { provoke = () => undefined }: SourceContractOptions = {},
): void {
  const create = () => {
    const emitted: EventDraft[] = [];
    const component = definition.create(parseConfig(definition.config, config, definition.type), {
      node: 'node-1',
      clock: manualClock(),
      log: silentLog,
      emit: async (events) => void emitted.push(...events),
      lost: () => undefined,
      memory: memoryOf(),
      ...unasked,
      report: () => undefined,
    });
    return { emitted, part: new Lifecycle(definition.type, component), component };
  };

  describe(`the contract of source(${definition.type})`, () => {
    checkDefinition('sources', definition);

    it('names each event type once, by its own name first', () => {
      expect(new Set(definition.eventTypes).size).toBe(definition.eventTypes.length);
      for (const type of definition.eventTypes) expect(type.split('.')[0]).toBe(definition.type);
    });

    it('stops without a start, and again', async () => {
      const { component } = create();
      await component.stop?.();
      await component.stop?.();
    });

    it('ends a start whose signal is aborted, and stops after it', async () => {
      const { component } = create();
      await component.start?.(AbortSignal.abort(new Error('stopped'))).catch(() => undefined);
      await component.stop?.();
    });

    it('lives twice in one process, and emits nothing after stop', async () => {
      for (const { part, emitted } of [create(), create()]) {
        await part.start();
        await provoke();
        await part.stop();
        const heard = emitted.length;
        await provoke();
        expect(emitted).toHaveLength(heard);
        for (const { type } of emitted) expect(definition.eventTypes).toContain(type);
        expect(emitted.map(({ sequence }) => sequence)).toEqual(emitted.map((_, index) => index + 1));
      }
    });
  });
}

function checkDefinition(folder: string, { type, config }: { readonly type: string; readonly config: ObjectSchema }) {
  it('has a lower-kebab type', () => {
    expect(type).toMatch(/^[a-z][a-z0-9-]*$/);
  });

  it('names a key that it does not know', () => {
    const issues = checkConfig(config, { typo: 1 }).issues.filter(({ path }) => path === '/typo');
    expect(issues).toMatchObject([{ message: expect.stringContaining('is not a known key') }]);
  });

  it('describes every option, and lists them with their defaults in its README', () => {
    expect(undocumented(config)).toEqual([]);
    const path = fileURLToPath(new URL(`../../plugins/${folder}/${type}/README.md`, import.meta.url));
    expect(existsSync(path), `${path} exists`).toBe(true);
    const readme = readFileSync(path, 'utf8');
    const current = withOptionTable(readme, config);
    if (process.env['UPDATE_README'] === '1' && current !== null) writeFileSync(path, current);
    else expect(readme, 'UPDATE_README=1 writes the table').toBe(current);
  });
}

interface Life {
  readonly action: Action;
  readonly context: ReturnType<typeof actionContext>;
}

async function delivered({ action, context }: Life, number = 1) {
  const before = context.calls.length;
  const result = action.handle(eventOf(), attemptOf({ number }));
  await eventually(() => context.calls.length > before);
  context.calls[before]!.succeed();
  return result;
}

/** One hook's runner over a real journal, with a clock that the test moves and actions that do as told. */
import type { Action, AttemptRecord, OutcomeRecord, Result } from '#core';
import { compileCondition, createHook, EventHookSpec, hookId, parseConfig } from '#core';

import type { Claims, Grant } from '../../../../sidecar/claims/claims.ts';
import type { Groups } from '../../../../sidecar/groups.ts';
import { HookSet } from '../../../../sidecar/hooks/hook-set.ts';
import type { ActionInstance, HookRuntime } from '../../../../sidecar/hooks/runtime.ts';
import { Places } from '../../../../sidecar/places.ts';
import { eventOf, silentLog } from '../../../kit/action-context.ts';
import { bootClockOf, startedJournal, temporaryFolder, testClock, turns } from '../kit.ts';

export type Handle = Action['handle'];

export interface Told {
  readonly waitsFor: string;
  readonly inMs: number;
}

/** A grant that notes what became of it. */
export function grantOf(notes: string[], parts: Partial<Grant> = {}): Grant {
  return {
    kind: 'granted',
    fence: 1,
    uncoordinated: false,
    lost: new AbortController().signal,
    complete: (windowMs) => {
      notes.push(`complete ${windowMs}`);
      return Promise.resolve(true);
    },
    release: () => {
      notes.push('release');
      return Promise.resolve();
    },
    ...parts,
  };
}

const alone = (): Promise<never> => Promise.reject(new Error('events of these tests stand alone'));

export async function bench(options: { folder?: string } = {}) {
  const own = options.folder === undefined ? temporaryFolder() : null;
  const journalOf = (): ReturnType<typeof startedJournal> =>
    startedJournal(own?.path ?? options.folder ?? '', { clock, bootClock });
  const settle = async (): Promise<void> => {
    for (let count = 0; count < 6; count++) {
      await journal.flush();
      await turns();
    }
  };
  const clock = testClock(settle);
  const bootClock = bootClockOf(clock);
  const journal = await journalOf();
  const told: Told[] = [];
  const notes: string[] = [];
  const claims: { claim: Claims['claim'] } = { claim: () => Promise.resolve(grantOf(notes)) };
  const groups: Pick<Groups, 'join' | 'joinLoop'> = { join: alone, joinLoop: alone };
  const stopped: string[] = [];
  const set = new HookSet({
    journal,
    claims,
    groups,
    onLoop: () => undefined,
    places: new Places(),
    clock,
    bootClock,
    log: silentLog,
    onFinal: () => undefined,
    onProgress: (_entry, _attempts, waitsFor, nextMs) =>
      void told.push({ waitsFor, inMs: Math.round(nextMs - clock.now()) }),
  });
  let numbers = 0;
  return {
    clock,
    journal,
    set,
    told,
    notes,
    claims,
    groups,
    stopped,
    settle,
    /** One version of the hook `trotline/h`. */
    runtime(
      spec: object,
      handles: readonly Handle[],
      version = 'v1',
      places: ActionInstance['places'] = null,
    ): HookRuntime {
      const actions = handles.map(() => ({ type: 'script', config: {} }));
      const hook = createHook({
        namespace: 'trotline',
        name: 'h',
        form: 'EventHook',
        spec: parseConfig(EventHookSpec, { actions, ...spec }, 'test'),
        origin: null,
      });
      return {
        id: hookId(hook),
        hook,
        matches: compileCondition(hook.spec.condition).matches,
        actions: handles.map((handle, index) => ({ index, type: 'script', action: { handle }, places })),
        stop: () => Promise.resolve(void stopped.push(version)),
      };
    },
    async run(spec: object, handles: readonly Handle[], version?: string): Promise<void> {
      await set.replace([this.runtime(spec, handles, version)], new Set(['trotline/h']));
    },
    /** Journals one event for the hook and gives it to it. */
    async event(): Promise<void> {
      const at = { at: bootClock.moment(), bootId: bootClock.bootId };
      const number = ++numbers;
      const draft = eventOf({ id: `netlink-f00d-${number}`, sequence: number, subject: `s${number}` });
      const entries = journal.routed(draft, ['trotline/h'], at.at, at.bootId);
      await journal.flush();
      for (const entry of entries) set.run(entry);
      await settle();
    },
    async outcomes(): Promise<OutcomeRecord[]> {
      return Promise.all(journal.unreported(0, 100).map((entry) => journal.outcome(entry)));
    },
    async attempts(): Promise<string[]> {
      const [outcome] = await this.outcomes();
      return (outcome?.attempts ?? []).map(textOf);
    },
    async [Symbol.asyncDispose]() {
      await set.stop();
      await journal.stop();
      own?.[Symbol.dispose]();
    },
  };
}

function textOf({ action, number, status }: AttemptRecord): string {
  return `${action}#${number} ${status}`;
}

/** Gives these results one after the other, the last one for ever. */
export function results(...each: Result[]): Handle & { readonly ids: string[] } {
  const ids: string[] = [];
  let count = 0;
  const handle: Handle = (_event, { deliveryId }) => {
    ids.push(deliveryId);
    return Promise.resolve(each[Math.min(count++, each.length - 1)]!);
  };
  return Object.assign(handle, { ids });
}

/** Ends when told, or as interrupted when its signal aborts. */
export function held() {
  const ends: ((result: Result) => void)[] = [];
  const handle: Handle = (_event, { signal }) =>
    new Promise((resolve, reject) => {
      ends.push(resolve);
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
  return { handle, ends };
}

export const DELIVERED: Result = { status: 'delivered' };
export const REJECTED: Result = { status: 'rejected', reason: 'no' };
export const RETRY: Result = { status: 'retry', reason: 'busy' };

import { describe, expect, it } from 'vitest';

import { type ClaimOperation, ClaimTable, createHook, EventHookSpec, parseConfig } from '#core';

import { AWAY, type ClaimAsk, type ClaimChannel, type ClaimReply } from '../../../../sidecar/claims/claim-client.ts';
import { type Claimed, Claims, type Grant } from '../../../../sidecar/claims/claims.ts';
import { claimKey } from '../../../../sidecar/claims/key.ts';
import { NodeClaims } from '../../../../sidecar/claims/node-claims.ts';
import { eventOf } from '../../../kit/action-context.ts';
import { startedJournal, temporaryFolder, type TestClock, testClock, turns } from '../kit.ts';

const NEVER = new AbortController().signal;
const EVENT = eventOf();

function hookOf(spec: object) {
  return createHook({
    namespace: 'trotline',
    name: 'h',
    form: 'EventHook',
    spec: parseConfig(EventHookSpec, { actions: [{ type: 'script' }], dedup: { key: ['node'] }, ...spec }, 'test'),
    origin: null,
  });
}

/** A control plane in memory: the real rules, and a wire that can be cut. */
class Store {
  readonly asked: string[] = [];
  away = false;
  /** Operations that get no answer. */
  silent: ReadonlySet<ClaimAsk['kind']> = new Set();
  readonly #table = new ClaimTable();
  readonly #clock: TestClock;
  readonly #answers = new Map<string, (reply: ClaimReply) => void>();
  readonly #back: (() => void)[] = [];
  #lastId = 0;

  constructor(clock: TestClock) {
    this.#clock = clock;
  }

  channel(holder: string): ClaimChannel {
    return {
      ask: (operation, answer) => {
        const id = ++this.#lastId;
        this.asked.push(operation.kind);
        if (this.away) answer(AWAY);
        else if (!this.silent.has(operation.kind)) {
          this.#answers.set(`${holder} ${id}`, answer);
          this.apply(holder, { ...operation, id });
        }
        return id;
      },
      forget: (id, key) => {
        this.#answers.delete(`${holder} ${id}`);
        this.apply(holder, { kind: 'cancel', id: ++this.#lastId, key, acquireId: id });
      },
      back: () => (this.away ? new Promise((resolve) => this.#back.push(resolve)) : Promise.resolve()),
    };
  }

  apply(holder: string, operation: ClaimOperation): void {
    for (const { holder: to, answer } of this.#table.apply(holder, operation, this.#clock.monotonic())) {
      this.#answers.get(`${to} ${answer.id}`)?.(answer);
    }
  }

  comeBack(): void {
    this.away = false;
    for (const back of this.#back.splice(0)) back();
  }
}

async function twoNodes(spec: object = {}) {
  const folder = temporaryFolder();
  const clock = testClock();
  const store = new Store(clock);
  const journal = await startedJournal(folder.path, { clock });
  const other = await startedJournal(`${folder.path}/other`, { clock });
  const claims = new Claims(store.channel('a'), new NodeClaims(journal, clock), clock);
  const others = new Claims(store.channel('b'), new NodeClaims(other, clock), clock);
  const hook = hookOf(spec);
  const settle = async (): Promise<void> => {
    await Promise.all([journal.flush(), other.flush()]);
    await turns();
  };
  return {
    clock,
    store,
    journal,
    claims,
    others,
    hook,
    settle,
    claim: (by = claims, signal = NEVER) => by.claim(hook, EVENT, signal),
    async [Symbol.asyncDispose]() {
      await Promise.all([journal.stop(), other.stop()]);
      folder[Symbol.dispose]();
    },
  };
}

function granted(claimed: Claimed): Grant {
  if (claimed.kind !== 'granted') throw new Error(`was ${claimed.kind}`);
  return claimed;
}

describe('a claim', () => {
  it('that is held is granted when the key is released, and done when it is completed', async () => {
    await using test = await twoNodes();
    const first = granted(await test.claim());
    const waiting = test.claim(test.others);
    await first.release();
    const second = granted(await waiting);
    const third = test.claim();
    expect(await second.complete(600_000)).toBe(true);
    expect(await third).toEqual({ kind: 'done' });
  });

  it('of a key that this process holds waits its turn', async () => {
    await using test = await twoNodes();
    const first = granted(await test.claim());
    let second: Claimed | null = null;
    const waiting = test.claim().then((claimed) => (second = claimed));
    await test.settle();
    expect(second).toBeNull();
    await first.complete(600_000);
    await waiting;
    expect(second).toEqual({ kind: 'done' });
  });

  it('that is given up lets the next one in', async () => {
    await using test = await twoNodes();
    const first = granted(await test.claim());
    const giveUp = new AbortController();
    const given = test.claim(test.claims, giveUp.signal);
    const waiting = test.claim();
    giveUp.abort(new Error('enough'));
    await expect(given).rejects.toThrow('enough');
    await expect(test.claim(test.claims, giveUp.signal)).rejects.toThrow('enough');
    await first.release();
    granted(await waiting);
  });

  it('of scope none asks nobody; of scope node nobody but this node', async () => {
    await using none = await twoNodes({ dedup: { key: ['node'], scope: 'none' } });
    expect(granted(await none.claim()).fence).toBe(0);
    await using node = await twoNodes({ dedup: { key: ['node'], scope: 'node' } });
    await granted(await node.claim()).complete(60_000);
    expect(await node.claim()).toEqual({ kind: 'done' });
    await node.clock.pass(60_000);
    granted(await node.claim());
    expect([...none.store.asked, ...node.store.asked]).toEqual([]);
  });

  it('of scope node finds its windows after a restart', async () => {
    using folder = temporaryFolder();
    const clock = testClock();
    const hook = hookOf({ dedup: { key: ['node'], scope: 'node' } });
    const lifeOf = async () => {
      const journal = await startedJournal(folder.path, { clock });
      return { journal, claims: new Claims(new Store(clock).channel('a'), new NodeClaims(journal, clock), clock) };
    };
    const before = await lifeOf();
    await granted(await before.claims.claim(hook, EVENT, NEVER)).complete(60_000);
    const after = await lifeOf();
    expect(await after.claims.claim(hook, EVENT, NEVER)).toEqual({ kind: 'done' });
    await clock.pass(60_001);
    await new NodeClaims(after.journal, clock).expire();
    expect(after.journal.claims.size).toBe(0);
    await Promise.all([before.journal.stop(), after.journal.stop()]);
  });
});

describe('a lease', () => {
  it('is renewed every 10 s, for as long as it is held', async () => {
    await using test = await twoNodes();
    const grant = granted(await test.claim());
    await test.clock.pass(61_000);
    expect(test.store.asked.filter((kind) => kind === 'renew')).toHaveLength(6);
    await grant.release();
    await test.clock.pass(60_000);
    expect(test.store.asked.filter((kind) => kind === 'renew')).toHaveLength(6);
    expect(grant.lost.aborted).toBe(false);
  });

  it('is lost at once when a renewal is refused', async () => {
    await using test = await twoNodes();
    const { lost, fence } = granted(await test.claim());
    test.store.apply('a', { kind: 'release', id: 999, key: claimKey(test.hook, EVENT), fence });
    await test.clock.pass(10_250);
    expect(lost.reason).toMatchObject({ message: 'the lease was refused' });
  });

  it.each([
    ['wait', true],
    ['act', false],
  ])('whose renewals are unanswered, of a hook that would %s, is lost 2 s before its end: %s', async (choice, ends) => {
    await using test = await twoNodes({ whenUncoordinated: choice });
    const { lost } = granted(await test.claim());
    test.store.silent = new Set(['renew']);
    await test.clock.pass(27_500);
    expect(lost.aborted).toBe(false);
    await test.clock.pass(500);
    expect(lost.aborted).toBe(ends);
  });

  it('that follows long waiting is a whole one', async () => {
    await using test = await twoNodes({ whenUncoordinated: 'wait' });
    const first = granted(await test.claim());
    const waiting = test.claim(test.others);
    await test.clock.pass(100_000);
    await first.release();
    const { lost } = granted(await waiting);
    await test.clock.pass(20_000);
    expect(lost.aborted).toBe(false);
  });
});

describe('a window', () => {
  it('whose answer was lost and that is refused when asked again counts as opened', async () => {
    await using test = await twoNodes();
    const grant = granted(await test.claim());
    const key = claimKey(test.hook, EVENT);
    test.store.apply('a', { kind: 'complete', id: 999, key, fence: grant.fence, windowMs: 600_000 });
    expect(await grant.complete(600_000)).toBe(true);
  });

  it('that is refused after the lease ran out does not: somebody else may have acted', async () => {
    await using test = await twoNodes({ whenUncoordinated: 'act' });
    const grant = granted(await test.claim());
    test.store.silent = new Set(['renew']);
    await test.clock.pass(30_001);
    test.store.silent = new Set();
    granted(await test.claim(test.others));
    expect(await grant.complete(600_000)).toBe(false);
  });
});

describe('with the control plane away', () => {
  it('a hook that acts does so within its own windows, and says so', async () => {
    await using test = await twoNodes({ whenUncoordinated: 'act' });
    test.store.away = true;
    const grant = granted(await test.claim());
    expect(grant.uncoordinated).toBe(true);
    await grant.complete(600_000);
    expect(await test.claim()).toEqual({ kind: 'done' });
  });

  it('a window that the control plane opened before is still good', async () => {
    await using test = await twoNodes({ whenUncoordinated: 'act' });
    await granted(await test.claim()).complete(600_000);
    test.store.away = true;
    expect(await test.claim()).toEqual({ kind: 'done' });
  });

  it('a hook that waits is granted when it is back; one that drops, drops', async () => {
    await using test = await twoNodes({ whenUncoordinated: 'wait' });
    test.store.away = true;
    const waiting = test.claim();
    await test.settle();
    test.store.comeBack();
    expect(granted(await waiting).uncoordinated).toBe(false);
    await using drops = await twoNodes({ whenUncoordinated: 'drop' });
    drops.store.away = true;
    expect(await drops.claim()).toEqual({ kind: 'drop', reason: 'control-plane-away' });
  });

  it('windows are told when it is back, with what is left of them', async () => {
    await using test = await twoNodes({ whenUncoordinated: 'act' });
    test.store.away = true;
    await granted(await test.claim()).complete(60_000);
    await test.clock.pass(20_000.5);
    await test.claims.settle();
    expect([...test.journal.unsettled]).toHaveLength(1);
    test.store.comeBack();
    await test.claims.settle();
    expect([...test.journal.unsettled]).toHaveLength(0);
    expect(await test.claim(test.others)).toEqual({ kind: 'done' });
    await test.clock.pass(40_000);
    granted(await test.claim(test.others));
  });

  it('a window opened in the middle of an own lease is told in spite of that lease', async () => {
    await using test = await twoNodes({ whenUncoordinated: 'act' });
    const grant = granted(await test.claim());
    test.store.away = true;
    expect(await grant.complete(600_000)).toBe(false);
    test.store.comeBack();
    await test.claims.settle();
    expect(await test.claim(test.others)).toEqual({ kind: 'done' });
  });

  it('an own window comes before a new claim of its key', async () => {
    await using test = await twoNodes({ whenUncoordinated: 'act' });
    test.store.away = true;
    await granted(await test.claim()).complete(600_000);
    test.store.comeBack();
    expect(await test.claim()).toEqual({ kind: 'done' });
  });
});

import { describe, expect, it } from 'vitest';

import { NodeClaims } from '../../../../sidecar/claims/node-claims.ts';
import type { Journal, JournalOptions } from '../../../../sidecar/journal/journal.ts';
import { routed, startedJournal, temporaryFolder, testClock } from '../kit.ts';

async function nodeClaims(parts: Partial<JournalOptions> = {}) {
  const folder = temporaryFolder();
  const clock = testClock(() => Promise.resolve());
  const begin = async () => {
    const journal = await startedJournal(folder.path, { clock, ...parts });
    return { journal, claims: new NodeClaims(journal, clock) };
  };
  const first = await begin();
  return {
    ...first,
    clock,
    restart: async () => {
      await first.journal.stop();
      return begin();
    },
    [Symbol.asyncDispose]: async () => {
      await first.journal.stop();
      folder[Symbol.dispose]();
    },
  };
}

async function open(claims: NodeClaims, count: number, windowMs: number, name = 'k'): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, index) => claims.open(`${name}${index}`, 1, windowMs, false)));
}

const keysOf = ({ claims }: Journal): string[] => [...claims.keys()];

describe('windows of the node', () => {
  it('are all forgotten in the sweep after they closed, however many, and no others', async () => {
    await using test = await nodeClaims();
    await open(test.claims, 5000, 1000);
    await open(test.claims, 1, 60_000, 'long');
    await test.clock.pass(1000);
    await test.claims.expire();
    expect(keysOf(test.journal)).toEqual(['long0']);
  });

  it('are forgotten after a restart, too', async () => {
    await using test = await nodeClaims();
    await open(test.claims, 1000, 1000);
    await open(test.claims, 1, 60_000, 'long');
    const { journal, claims } = await test.restart();
    await test.clock.pass(1000);
    await claims.expire();
    expect(keysOf(journal)).toEqual(['long0']);
    await journal.stop();
  });

  it('that were opened anew are kept until the later end', async () => {
    await using test = await nodeClaims();
    await open(test.claims, 1, 1000);
    await test.clock.pass(500);
    await open(test.claims, 1, 1000);
    await test.clock.pass(500);
    await test.claims.expire();
    expect(test.claims.acquire('k0')).toBeNull();
    await test.clock.pass(500);
    expect(test.claims.acquire('k0')).not.toBeNull();
    await test.clock.pass(500);
    await test.claims.expire();
    expect(keysOf(test.journal)).toEqual([]);
  });

  it('that have closed do not hide one of the control plane that is open', async () => {
    await using test = await nodeClaims();
    await test.claims.open('k', 1, 60_000, true);
    await test.clock.pass(61_000);
    test.claims.remember('k', 600_000);
    expect(test.claims.acquire('k')).toBeNull();
    await test.clock.pass(600_000);
    expect(test.claims.acquire('k')).not.toBeNull();
  });

  it('leave the event loop its turns while they are forgotten', async () => {
    await using test = await nodeClaims();
    await open(test.claims, 5000, 1000);
    await test.clock.pass(1000);
    let turns = 0;
    const turn = setInterval(() => turns++, 0);
    await test.claims.expire();
    clearInterval(turn);
    expect(turns).toBeGreaterThan(0);
  });

  it('are live like entries: beyond a number of both nothing new is taken', async () => {
    await using test = await nodeClaims({ maxLive: 3 });
    routed(test.journal, 1);
    await open(test.claims, 1, 1000);
    expect(test.journal.refusing).toBeNull();
    await open(test.claims, 2, 2000);
    expect(test.journal.refusing).toBe('journal-full');
    await test.clock.pass(2000);
    await test.claims.expire();
    expect(test.journal.refusing).toBeNull();
  });
});

import { describe, expect, it } from 'vitest';

import { age, createBootClock } from '../../../sidecar/boottime.ts';
import { eventOf } from '../../kit/action-context.ts';
import { bench, DELIVERED, results } from './hooks/kit.ts';

describe('the age of an event', () => {
  it('is counted by CLOCK_BOOTTIME within one boot, whatever the wall clock says', () => {
    expect(age({ boot: 1000, wall: 5000 }, 'a', { boot: 4000, wall: 0 }, 'a')).toBe(3000);
    expect(age({ boot: 1000, wall: 5000 }, 'a', { boot: 4000, wall: 9e9 }, 'a')).toBe(3000);
  });

  it('is counted by the wall clock across a reboot, and never negative', () => {
    expect(age({ boot: 90_000, wall: 5000 }, 'a', { boot: 10, wall: 7000 }, 'b')).toBe(2000);
    expect(age({ boot: 90_000, wall: 5000 }, 'a', { boot: 10, wall: 1000 }, 'b')).toBe(0);
  });

  it.each([
    ['is still tried', 600_000, 'delivered', 1],
    ['expires', 900_001, 'expired', 0],
  ])('across a reboot one that was routed before it %s: %i ms', async (_what, ms, outcome, tries) => {
    await using test = await bench();
    const wall = test.clock.now() - ms;
    const action = results(DELIVERED);
    const event = eventOf({ id: 'netlink-f00d-1', sequence: 1 });
    const [entry] = test.journal.routed(event, ['trotline/h'], { boot: 1e12, wall }, 'the boot before');
    await test.run({}, [action]);
    test.set.run(entry!);
    await test.settle();
    expect(await test.outcomes()).toMatchObject([{ outcome }]);
    expect(action.ids).toHaveLength(tries);
  });
});

describe('the boot clock', () => {
  it('goes on with the machine and knows its boot', () => {
    const clock = createBootClock();
    const first = clock.moment();
    expect(clock.bootId).toMatch(/^[0-9a-f-]{36}$/);
    expect(first.boot).toBeGreaterThan(0);
    expect(clock.moment().boot).toBeGreaterThanOrEqual(first.boot);
    expect(Math.abs(first.wall - Date.now())).toBeLessThan(1000);
  });
});

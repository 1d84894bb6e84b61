import { describe, expect, it } from 'vitest';

import { attributeOf, linkOf, type Listening, listening, LOWER_UP, typesOf, UP } from './kit.ts';

const up = linkOf({ flags: 0x1002 | UP | LOWER_UP });
const down = linkOf();
/** Without a carrier. */
const on = linkOf({ flags: 0x1002 | UP });

/** Time only: without the messages. */
function told(all: Listening): string[] {
  const kinds = ['netlink.link-settled', 'netlink.link-flapping'];
  return all.events
    .filter(({ type }) => kinds.includes(type))
    .map((event) => {
      const [state, before, heldMs, transitions, windowMs] = [
        'state',
        'before',
        'held_ms',
        'transitions',
        'window_ms',
      ].map((name) => attributeOf(event, `link.${name}`));
      return event.type === kinds[0]
        ? `${event.interface} ${before} → ${state} for ${heldMs} after ${transitions}`
        : `${event.interface} flaps, now ${state}: ${transitions} in ${windowMs}`;
    });
}

describe('a link that settles', () => {
  it('is told after each of the times', async () => {
    const all = await listening([up], { config: { settleTimes: [10_000, 3000] } });
    await all.hear(down);
    await all.pass(2999);
    expect(told(all)).toEqual([]);
    await all.pass(1);
    expect(told(all)).toEqual(['veth5 up → down for 3000 after 1']);
    await all.pass(7000);
    expect(told(all)).toEqual(['veth5 up → down for 3000 after 1', 'veth5 up → down for 10000 after 1']);
    await all.pass(60_000);
    expect(told(all)).toHaveLength(2);
  });

  it('is an event beside the messages, of the link', async () => {
    const all = await listening([up], { config: { settleTimes: [3000] } });
    await all.hear(down);
    await all.pass(3000);
    expect(all.events.at(-1)).toMatchObject({
      type: 'netlink.link-settled',
      subject: 'veth5',
      interface: 'veth5',
      messageType: 0,
      eventType: 1,
      sequence: 2,
      synthetic: true,
    });
    expect(attributeOf(all.events.at(-1), 'link.ifindex')).toBe(5);
  });

  it('is not told where it came back in time, and then counts from there', async () => {
    const all = await listening([up], { config: { settleTimes: [3000] } });
    await all.hear(down);
    await all.pass(2000);
    await all.hear(up);
    await all.pass(2999);
    expect(told(all)).toEqual([]);
    await all.pass(1);
    expect(told(all)).toEqual(['veth5 up → up for 3000 after 2']);
  });

  it('goes up once, though it is turned on first and has its carrier later', async () => {
    const all = await listening([down], { config: { settleTimes: [3000] } });
    await all.hear(on);
    await all.pass(1000);
    await all.hear(up);
    await all.pass(2000);
    expect(typesOf(all.events)).toEqual(['link-up', 'link-up', 'link-settled']);
    expect(told(all)).toEqual(['veth5 down → up for 3000 after 1']);
  });

  it('is counted anew once it has settled', async () => {
    const all = await listening([up], { config: { settleTimes: [3000] } });
    for (const state of [down, up]) {
      await all.hear(state);
      await all.pass(3000);
    }
    expect(told(all)).toEqual(['veth5 up → down for 3000 after 1', 'veth5 down → up for 3000 after 1']);
  });

  it('is one among others, each with its own time', async () => {
    const other = { ifindex: 6, ifname: 'veth6' };
    const all = await listening([up, { ...up, ...other }], { config: { settleTimes: [3000] } });
    await all.hear(down);
    await all.pass(1000);
    await all.hear({ ...down, ...other });
    await all.pass(2000);
    expect(told(all)).toEqual(['veth5 up → down for 3000 after 1']);
    await all.pass(1000);
    expect(told(all)).toHaveLength(2);
  });

  it('says nothing once it is deleted', async () => {
    const all = await listening([up], { config: { settleTimes: [3000] } });
    await all.hear(down, { ...down, messageType: 17 }, { ...down, ifname: 'veth9' });
    await all.pass(10_000);
    expect(told(all)).toEqual([]);
  });

  it('is told also where a dump found the change', async () => {
    const all = await listening([up], { config: { settleTimes: [3000] } });
    await all.pass(1000);
    await all.hear({ kind: 'overflow', dropped: 1 });
    all.reader.answer(down);
    await all.settled();
    await all.pass(3000);
    expect(told(all)).toEqual(['veth5 up → down for 3000 after 1']);
  });
});

describe('a link that flaps', () => {
  const config = { settleTimes: [3000], flapCount: 4, flapWindow: '10s' };

  it('is told once, with counts', async () => {
    const all = await listening([up], { config });
    await all.hear(down, up, down);
    expect(told(all)).toEqual([]);
    await all.hear(up, down, up, down, up, down);
    expect(told(all)).toEqual(['veth5 flaps, now up: 4 in 10000']);
  });

  it('is told again only after it settled', async () => {
    const all = await listening([up], { config });
    await all.hear(down, up, down, up);
    await all.pass(3000);
    await all.hear(down, up, down);
    expect(told(all)).toEqual(['veth5 flaps, now up: 4 in 10000', 'veth5 up → up for 3000 after 4']);
    await all.hear(up);
    expect(told(all).at(-1)).toBe('veth5 flaps, now up: 4 in 10000');
    expect(told(all)).toHaveLength(3);
  });

  it('is none where the changes are further apart', async () => {
    const all = await listening([up], { config: { ...config, settleTimes: [9000] } });
    for (const state of [down, up, down, up, down, up]) {
      await all.hear(state);
      await all.pass(4000);
    }
    expect(told(all)).toEqual([]);
  });
});

describe('without settle times', () => {
  it('neither is told', async () => {
    const all = await listening([up], { config: { settleTimes: [], flapCount: 2 } });
    await all.hear(down, up, down, up);
    await all.pass(100_000);
    expect(told(all)).toEqual([]);
  });
});

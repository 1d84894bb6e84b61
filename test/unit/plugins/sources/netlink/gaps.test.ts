import { describe, expect, it } from 'vitest';

import { type EventDraft, type Health, parseConfig } from '#core';
import type { NetlinkStats, Opener } from '#native';

import { createNetlink } from '../../../../../plugins/sources/netlink/index.ts';
import { manualClock, memoryOf, silentLog, unasked } from '../../../../kit/action-context.ts';
import { FakeReader, linkOf, type Listening, listening, starting, typesOf } from './kit.ts';
import { LISTED, netnsOf } from './records.ts';

function reasons(health: readonly Health[]): string[] {
  return health.map((one) => (one.status === 'degraded' ? one.reason : one.status));
}

/** A source that hears so many other namespaces, of which each lacks something. */
async function partly(count: number, end: object): Promise<Listening> {
  const life = await starting({ config: { namespaces: 'all' } });
  const found = Array.from({ length: count }, (_, nsid) => netnsOf(nsid, 'found', `n${nsid}`));
  life.reader.say(...found, LISTED, life.reader.end({ dump: 1, netns: -1 }));
  await life.settled();
  life.reader.say(...found.map(({ netns }) => life.reader.end({ dump: netns + 2, netns, ...end })));
  await life.started;
  return life;
}

describe('what is not heard as it was asked for', () => {
  it('nothing: nothing is said', async () => {
    expect((await listening()).health).toEqual([]);
  });

  it('a receive buffer that is smaller', async () => {
    const { health } = await listening([], { stat: { receiveBufferBytes: 425_984 } });
    expect(reasons(health)).toEqual([
      'receive buffer is 212992 bytes instead of 33554432 (needs CAP_NET_ADMIN or a larger net.core.rmem_max): bursts may be lost, and are then told',
    ]);
  });

  it('groups that the kernel refused', async () => {
    const { health } = await listening([], { stat: { refused: ['neighbour', 'rule'] } });
    expect(reasons(health)).toEqual(['the kernel refused the groups of neigh, rule: nothing of these is heard']);
  });

  it('other namespaces, where the kernel refuses them', async () => {
    const { health, reader } = await listening([], { config: { namespaces: 'all' }, stat: { allNamespacesErrno: 1 } });
    expect(reasons(health)).toEqual([
      "only the sidecar's own network namespace is heard (needs CAP_NET_ADMIN and CAP_NET_BROADCAST)",
    ]);
    expect(reader.lists).toBe(0);
  });

  it('families that cannot be listed in some namespaces, of which five are named', async () => {
    const { health } = await partly(7, { missing: ['route', 'neighbour', 'rule'] });
    expect(reasons(health)).toEqual([
      'route, neigh, rule in n0, n1, n2, n3, n4 and 2 others cannot be listed (needs CAP_SYS_ADMIN and CAP_SYS_PTRACE): changes are heard, but after a loss not compared',
    ]);
  });

  it.each([
    [116, 'ESTALE: stale file handle'],
    [24, 'EMFILE: too many open files'],
    [512, 'error number 512'],
  ])('namespaces that cannot be listed at all, for error %s', async (errno, why) => {
    const { health } = await partly(1, { errno });
    expect(reasons(health)).toEqual([`n0 cannot be listed (${why}): changes are heard, but after a loss not compared`]);
  });

  it('several of these at once', async () => {
    const stat = { receiveBufferBytes: 4096, refused: ['rule'], allNamespacesErrno: 1 } as const;
    const { health } = await listening([], { config: { namespaces: 'all' }, stat });
    expect(reasons(health)).toEqual([expect.stringMatching(/^receive buffer .*; only the .*; the kernel refused /)]);
  });

  it('is told once', async () => {
    const life = await partly(2, { errno: 116 });
    await life.pass(1000);
    await life.hear(life.reader.end({ dump: 4, netns: 0, errno: 116 }));
    expect(life.health).toHaveLength(1);
  });

  it('is over when the dump succeeds', async () => {
    const life = await partly(1, { errno: 116 });
    await life.pass(1000);
    await life.hear(life.reader.end({ dump: 3, netns: 0 }));
    expect(reasons(life.health).slice(1)).toEqual(['ok']);
  });

  it('is over when the namespace is gone', async () => {
    const life = await partly(1, { missing: ['rule'] });
    await life.hear(netnsOf(0, 'gone'));
    expect(reasons(life.health).slice(1)).toEqual(['ok']);
  });

  it('changes with the namespaces that it is of', async () => {
    const life = await partly(2, { missing: ['rule'] });
    await life.hear(netnsOf(0, 'gone'));
    expect(reasons(life.health).at(-1)).toContain('rule in n1 cannot be listed');
  });
});

/** A source with an opener of the test's. */
function withOpener(startOpener: () => Opener, refusal: string | null = null, stat: Partial<NetlinkStats> = {}) {
  const readers: FakeReader[] = [];
  const health: Health[] = [];
  const events: EventDraft[] = [];
  const definition = createNetlink((options) => {
    if (options.opener !== null && refusal !== null) throw new Error(refusal);
    const reader = new FakeReader(options);
    reader.stat = { ...reader.stat, ...stat };
    readers.push(reader);
    setImmediate(() => reader.say(LISTED, reader.end()));
    return reader;
  }, startOpener);
  const source = definition.create(parseConfig(definition.config, {}, 'source "netlink"'), {
    node: 'node-1',
    clock: manualClock(),
    log: silentLog,
    emit: async (some) => void events.push(...some),
    lost: () => undefined,
    memory: memoryOf(),
    ...unasked,
    report: (some) => void health.push(some),
  });
  return { source, readers, health, events };
}

describe('what is heard', () => {
  it.each([
    ['link, addr, route, neigh, rule in all network namespaces', null, []],
    ['link, addr, route, neigh, rule in this network namespace', 1, []],
    ['link, addr, route in all network namespaces', null, ['neighbour', 'rule'] as const],
  ])('is %s', async (hears, allNamespacesErrno, refused) => {
    const { source, health } = withOpener(() => ({ fd: 7, close: () => undefined }), null, {
      allNamespacesErrno,
      refused,
    });
    await source.start?.(new AbortController().signal);
    expect(health).toMatchObject([{ hears }]);
    await source.stop?.();
  });
});

describe('without an opener', () => {
  it('that starts, the own namespace is heard all the same, and why not the others is said', async () => {
    const { source, readers, health, events } = withOpener(() => {
      throw new Error('the opener was not built');
    });
    await source.start?.(new AbortController().signal);
    expect(reasons(health)).toEqual(["only the sidecar's own network namespace is heard (the opener was not built)"]);
    expect(readers[0]?.options).toMatchObject({ fd: null, opener: null });
    readers[0]?.say(linkOf());
    await new Promise((resolve) => setImmediate(resolve));
    expect(typesOf(events)).toEqual(['link-added']);
    await source.stop?.();
  });

  it('that opens, the same, and it is closed', async () => {
    let closed = 0;
    const { source, readers, health } = withOpener(() => ({ fd: 7, close: () => void closed++ }), 'opener: EPERM');
    await source.start?.(new AbortController().signal);
    expect(reasons(health)).toEqual(["only the sidecar's own network namespace is heard (opener: EPERM)"]);
    expect([readers.length, closed]).toEqual([1, 1]);
    await source.stop?.();
  });

  it('that is refused to, nothing else is: it is closed after the reader at the end', async () => {
    const order: string[] = [];
    const { source, readers } = withOpener(() => ({ fd: 7, close: () => void order.push(`${readers[0]?.closed}`) }));
    await source.start?.(new AbortController().signal);
    expect(readers[0]?.options.opener).toBe(7);
    await source.stop?.();
    expect(order).toEqual(['true']);
  });
});

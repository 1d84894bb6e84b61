import { expect, it } from 'vitest';

import { createNetlink } from '../../../plugins/sources/netlink/index.ts';
import { eventually } from '../../kit/eventually.ts';
import { testAction } from '../../kit/numbered.ts';
import { hookYaml, startThread } from '../../kit/thread.ts';
import { FakeReader, linkOf } from '../../unit/plugins/sources/netlink/kit.ts';

it('tells hooks and ledger what a source missed between two of its lives', async () => {
  const lives = [[linkOf({ ifname: 'gone0', ifindex: 5 })], [linkOf({ ifname: 'new0', ifindex: 9 })]];
  const readers: FakeReader[] = [];
  const netlink = createNetlink((options) => {
    const reader = new FakeReader(options);
    reader.stat = { ...reader.stat, allNamespacesErrno: 1 };
    const links = lives[readers.push(reader) - 1] ?? [];
    void eventually(() => reader.dumps > 0).then(() => reader.answer(...links));
    return reader;
  });
  const seen: string[] = [];
  await using thread = await startThread({
    sources: [netlink],
    actions: [
      testAction(async ({ type, subject }) => {
        seen.push(`${type} ${subject}`);
        return { status: 'delivered' };
      }),
    ],
    hooks: { 'a.yaml': hookYaml('all', { spec: 'run: sync' }) },
  });
  readers[0]?.say({ kind: 'failure', errno: 105 });
  await eventually(() => expect(seen).toHaveLength(4));
  expect(seen).toEqual([
    'netlink.overflow messages lost, their number is unknown',
    'netlink.link-added new0',
    'netlink.link-deleted gone0',
    'netlink.resynced 2 differences found',
  ]);
  await eventually(async () => {
    const [node] = await thread.ledger();
    expect(node?.ledger.sources).toMatchObject([
      { source: 'netlink', heard: 0, unknown: { from: 1, to: null } },
      { source: 'netlink', heard: 0, unknown: null },
    ]);
  });
});

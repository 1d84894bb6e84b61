import { expect, test } from 'vitest';

import type { ApprovalRequest } from '../../../control-plane/store/types.ts';
import { useStores } from './kit/store.ts';

const { start } = useStores();

const REQUEST: ApprovalRequest = {
  id: 'agent-1',
  hook: 'trotline/guard',
  node: 'node-1',
  waitMs: 60_000,
  asked: {
    dialect: 'kagent',
    session: 's',
    agent: '',
    tool: 'Bash',
    text: 'sudo ls',
    cwd: '/',
    reason: 'HIGH',
    risk: 'HIGH',
  },
};

test('an approval that one node asked for is nothing to another', async () => {
  const store = await start();
  await store.askApproval(REQUEST);
  await expect(store.askApproval({ ...REQUEST, node: 'node-2' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  const withdrawal = { id: 'agent-1', state: 'withdrawn', who: 'node-2', why: '' } as const;
  await expect(store.settleApproval({ ...withdrawal, node: 'node-2' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect(await store.settleApproval({ ...withdrawal, node: 'node-1' })).toMatchObject({ state: 'withdrawn' });
});

test('an approval asked for again is the one that there is, with its first deadline', async () => {
  const store = await start();
  const first = await store.askApproval(REQUEST);
  expect(await store.askApproval({ ...REQUEST, waitMs: 1 })).toEqual(first);
  await store.settleApproval({ id: 'agent-1', state: 'approved', who: 'dev', why: '' });
  expect(await store.askApproval(REQUEST)).toMatchObject({ state: 'approved', who: 'dev' });
});

test('no more than a thousand approvals wait at a time', async () => {
  const store = await start();
  await Promise.all(Array.from({ length: 1000 }, (_, at) => store.askApproval({ ...REQUEST, id: `agent-${at}` })));
  await expect(store.askApproval({ ...REQUEST, id: 'one-more' })).rejects.toMatchObject({ code: 'STATE_ILLEGAL' });
});

test('the hook of a namespace leaves room for those of others', async () => {
  const store = await start();
  const ask = (id: string, hook: string) => store.askApproval({ ...REQUEST, id, hook });
  await Promise.all(Array.from({ length: 250 }, (_, at) => ask(`agent-${at}`, 'shop/guard')));
  await expect(ask('one-more', 'shop/guard')).rejects.toMatchObject({
    message: '250 approvals of shop/guard wait already, no more are taken',
  });
  expect(await ask('another', 'bank/guard')).toMatchObject({ state: 'pending' });
  expect(await ask('agent-0', 'shop/guard')).toMatchObject({ state: 'pending' });
});

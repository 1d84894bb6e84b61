import { expect, it } from 'vitest';

import { ledgerName } from '#core';

it('only what is dropped carries its reason in the ledger', () => {
  expect(ledgerName({ outcome: 'dropped', reason: 'journal-full' })).toBe('dropped(journal-full)');
  expect(ledgerName({ outcome: 'rejected', reason: 'exit 1' })).toBe('rejected');
});

import { expect, it } from 'vitest';

import { createPending } from '../../../control-plane/store/pending.ts';
import { storedEvent } from './kit.ts';

const HOOK = 'trotline/a';
const attempt = (output: string) => ({
  action: 0,
  actionType: 'script',
  number: 1,
  deliveryId: 'd',
  status: 'retry' as const,
  reason: 'exit 75',
  detail: '',
  output,
  timedOut: false,
  startedMs: 1,
  durationMs: 1,
});

it('keeps of what attempts of pending events printed the beginning only', () => {
  const pending = createPending(() => 1);
  const { id } = storedEvent(1);
  const attempts = [attempt('y'.repeat(65_536)), attempt('short')];
  const progress = [{ eventId: id, hook: HOOK, attempts, waitsFor: 'retry 2', nextAttemptMs: 5 }];
  pending.update({ events: [], outcomes: [], progress, ledger: null });
  expect(pending.merge(storedEvent(1)).hooks[0]?.attempts).toMatchObject([
    { reason: 'exit 75', output: `${'y'.repeat(200)}…` },
    { output: 'short' },
  ]);
});

/** Stores in a temporary folder of each test, stopped after it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach } from 'vitest';

import { createStore, type Retention, type Store } from '../../../../control-plane/store/index.ts';
import { quiet } from './reports.ts';

export interface StoreFolder {
  /** Of the running test. */
  readonly folder: () => string;
  readonly path: () => string;
  /** Starts a store at `path`, which is the test's own unless told otherwise. */
  readonly start: (retention?: Partial<Retention>, path?: string) => Promise<Store>;
}

/** At the top of a test file. */
export function useStores(): StoreFolder {
  let folder: string;
  let open: Store[];
  const ownPath = () => join(folder, 'store.db');

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'store-'));
    open = [];
  });
  afterEach(async () => {
    for (const store of open) await store.stop?.();
    await rm(folder, { recursive: true });
  });
  return {
    folder: () => folder,
    path: ownPath,
    async start(retention = {}, path = ownPath()) {
      const store = createStore({ path, log: quiet, retention });
      open.push(store);
      await store.start?.(new AbortController().signal);
      return store;
    },
  };
}

export const acquire = (holder: string, key: string) => ({
  holder,
  operation: { kind: 'acquire', id: 1, key } as const,
});

/** Runs a store under load in a process of its own and prints what was acknowledged: `node store-child.ts PATH`. */
import { createStore } from '../../../../control-plane/store/index.ts';
import { claim } from './claims.ts';
import { outcomes, quiet } from './reports.ts';

const [path = '', mode = 'load'] = process.argv.slice(2);
const store = createStore({ path, log: quiet });
await store.start?.(new AbortController().signal);
const print = (line: string): void => void process.stdout.write(`${line}\n`);

async function claimForever(worker: number): Promise<void> {
  for (let number = 0; ; number++) {
    const key = `${worker}-${number}`;
    const [granted] = await claim(store, [{ holder: 'a', operation: { kind: 'acquire', id: 1, key } }]);
    if (granted?.answer.kind !== 'granted') throw new Error(`${key} was answered ${granted?.answer.kind}`);
    const { fence } = granted.answer;
    const operation = { kind: 'complete', id: 2, key, fence, windowMs: 600_000 } as const;
    await claim(store, [{ holder: 'a', operation }]);
    print(`done ${key} ${fence}`);
  }
}

async function reportForever(): Promise<void> {
  for (let from = 1; ; from += 10) print(`stored ${await store.report('s', 'node-1', outcomes(from, from + 9))}`);
}

/** Until the disk is full, then tells when it is not any more. */
async function fill(): Promise<void> {
  let next = 1;
  for (let wasFull = false; ;) {
    try {
      next = (await store.report('s', 'node-1', outcomes(next, next + 99))) + 1;
      if (wasFull) {
        const [stored] = await store.ledger();
        print(`recovered ${next - 1} ${stored?.storedSequence} ${stored?.stored['trotline/veth-gone']?.['delivered']}`);
        return;
      }
    } catch (error) {
      if (!wasFull) print(`full ${error instanceof Error && 'code' in error ? String(error.code) : ''}`);
      wasFull = true;
      await new Promise((resolve) => void setTimeout(resolve, 50));
    }
  }
}

if (mode === 'fill') {
  await fill();
  await store.stop?.();
} else await Promise.all([reportForever(), ...[1, 2, 3].map(claimForever)]);

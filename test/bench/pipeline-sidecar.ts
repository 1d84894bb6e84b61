/** The sidecar of the bench `pipeline`: emits at full speed for a while, then tells how it went. Arguments: data folder, address, milliseconds. */
import { createLog, type SourceContext, systemClock } from '#core';
import { createSidecar, parseSidecarOptions, policyForUp, sidecarId } from '#sidecar';

import { eventually } from '../kit/eventually.ts';
import { manualSource, numberedDraft, testAction } from '../kit/numbered.ts';

const [data = '', controlPlane = '', durationMs = '0'] = process.argv.slice(2);
/** Events that may be pending before the emitter waits: a closed loop measures what passes, not what piles up. */
const IN_FLIGHT = 2000;
const BATCH = 100;

let emitted = 0;
let done = 0;

async function emitAll({ emit }: SourceContext): Promise<void> {
  const end = performance.now() + Number(durationMs);
  while (performance.now() < end) {
    if (emitted - done > IN_FLIGHT) {
      await new Promise((resolve) => setImmediate(resolve));
      continue;
    }
    const first = emitted + 1;
    emitted += BATCH;
    await emit(Array.from({ length: BATCH }, (_, index) => numberedDraft(first + index)));
  }
}

const sidecar = createSidecar({
  options: parseSidecarOptions({ controlPlane, data, node: 'bench-node' }),
  sidecarId: await sidecarId(data),
  version: '0.0.0',
  policy: policyForUp({ hooksDirectory: data, user: 'root' }),
  sources: [
    manualSource((context) => {
      const begin = setInterval(() => {
        if (sidecar.hooks.runtimes.length === 0) return;
        clearInterval(begin);
        emitAll(context).then(finish, (error: unknown) => {
          console.error(error);
          process.exit(1);
        });
      }, 5);
    }),
  ],
  actions: [testAction(() => Promise.resolve({ status: 'delivered' }))],
  clock: systemClock,
  log: createLog('error', 2),
});
const startedAt = { value: 0 };
const counter = setInterval(() => {
  done = sidecar.journal.ackedSequence;
  if (done > 0 && startedAt.value === 0) startedAt.value = performance.now();
}, 1);
await sidecar.start();

async function finish(): Promise<void> {
  await eventually(
    () => {
      if (sidecar.journal.ackedSequence < emitted)
        throw new Error(`${sidecar.journal.ackedSequence} of ${emitted} are acknowledged`);
    },
    { timeoutMs: 30_000 },
  );
  const seconds = (performance.now() - startedAt.value) / 1000;
  clearInterval(counter);
  const unaccounted = emitted - sidecar.journal.ackedSequence;
  const rssMiB = process.memoryUsage.rss() / 2 ** 20;
  process.stdout.write(`${JSON.stringify({ emitted, seconds, unaccounted, rssMiB })}\n`);
  await sidecar.stop(AbortSignal.timeout(5000));
  process.exit(0);
}

/**
 * A sidecar that is there to be killed: its source emits numbers as fast as they are journaled and notes which ones were,
 * its action appends each to a file. Arguments: data folder, notes folder, control-plane address. SIGUSR2 ends the emitting.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { createLog, type SourceContext, systemClock } from '#core';
import { createSidecar, parseSidecarOptions, policyForUp, sidecarId } from '#sidecar';

import { appendingAction, manualSource, numberedDraft } from '../numbered.ts';

const [data = '', notes = '', controlPlane = ''] = process.argv.slice(2);
const BATCH = 5;
const PAUSE_MS = 4;
const LINGER_MS = 50;
const tried = join(notes, 'tried');
const journaled = join(notes, 'journaled');

const quiet = new AbortController();
process.on('SIGUSR2', () => quiet.abort());

function nextNumber(): number {
  const lines = existsSync(tried) ? readFileSync(tried, 'utf8').trimEnd().split('\n') : [];
  return Number(lines.at(-1) ?? 0) + 1;
}

async function emitAll({ emit }: SourceContext): Promise<void> {
  let number = nextNumber();
  for (let sequence = 1; !quiet.signal.aborted; sequence += BATCH) {
    const numbers = Array.from({ length: BATCH }, (_, index) => number + index);
    number += BATCH;
    appendFileSync(tried, numbers.map((tell) => `${tell}\n`).join(''));
    await emit(numbers.map((tell, index) => numberedDraft(tell, { sequence: sequence + index })));
    appendFileSync(journaled, numbers.map((tell) => `${tell}\n`).join(''));
    await systemClock.sleep(PAUSE_MS);
  }
}

const options = parseSidecarOptions({ controlPlane, data, node: 'kill-node', journalSegmentBytes: 262_144 });
const sidecar = createSidecar({
  options,
  sidecarId: await sidecarId(data),
  version: '0.0.0',
  policy: policyForUp({ hooksDirectory: notes, user: 'root' }),
  // Emitting begins when hooks run: before that nothing would match.
  sources: [
    manualSource((context) => {
      const begin = setInterval(() => {
        if (sidecar.hooks.runtimes.length === 0) return;
        clearInterval(begin);
        emitAll(context).catch(() => process.exit(3));
      }, 5);
    }),
  ],
  actions: [appendingAction(join(notes, 'acted'), LINGER_MS)],
  clock: systemClock,
  log: createLog('warn', 2),
});
process.on('SIGTERM', () => void sidecar.stop(AbortSignal.timeout(5000)).then(() => process.exit(0)));
await sidecar.start();
process.stdout.write('running\n');

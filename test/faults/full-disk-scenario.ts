/**
 * A disk that fills up while events come, and has room again later. Argument: whose disk, `sidecar` or `control-plane`. In a
 * mount namespace of its own (`inNetns`); says one line of JSON.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { NodeLedger } from '../../control-plane/store/types.ts';
import { manual } from '../integration/sidecar/kit.ts';
import { eventually } from '../kit/eventually.ts';
import { ip } from '../kit/netns.ts';
import { testAction } from '../kit/numbered.ts';
import { hookYaml, startThread, type Thread } from '../kit/thread.ts';

const [whose = ''] = process.argv.slice(2);
const BATCH = 100;

const outside = mkdtempSync(join(tmpdir(), 'trotline-disk-'));
const small = join(outside, 'small');
const filler = join(small, 'filler');

function fill(): void {
  const { bsize, bavail } = statfsSync(small);
  writeFileSync(filler, Buffer.alloc(bsize * bavail));
}

async function settled(thread: Thread): Promise<NodeLedger> {
  return eventually(
    async () => {
      const [node] = await thread.ledger();
      const [hook] = node?.ledger.hooks ?? [];
      if (!node || !hook || hook.pending > 0 || node.storedSequence !== node.ledger.outcomeSequence)
        throw new Error('reports are on their way');
      if ((hook.outcomes.delivered ?? 0) < acts) throw new Error('the ledger is older');
      return node;
    },
    { timeoutMs: 20_000, intervalMs: 50 },
  );
}

let acts = 0;
const losses: string[] = [];
try {
  ip('link', 'set', 'lo', 'up');
  mkdirSync(small);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', small]);
  if (whose === 'control-plane') process.env.TMPDIR = small;
  else process.env.TMPDIR = outside;
  const { source, emit } = manual();
  const action = testAction(async (event) => {
    if (event.type === 'journal.lost') losses.push(event.subject);
    acts++;
    return { status: 'delivered' };
  });
  const data = join(whose === 'sidecar' ? small : outside, 'sidecar');
  mkdirSync(data);
  await using thread = await startThread({
    hooks: { 'a.yaml': hookYaml('all') },
    sources: [source],
    actions: [action],
    sidecar: { data },
  });
  let number = 0;
  const emitSome = (): Promise<void> => emit(Array.from({ length: BATCH }, () => ++number));
  await emitSome();
  await settled(thread);
  fill();
  // A source waits for the journal; what it emits after the journal is known to fail is lost, and counted.
  const held = whose === 'sidecar' ? emitSome() : emitSome().then(() => emitSome());
  if (whose === 'sidecar') {
    await eventually(() => thread.sidecar.journal.failing !== null);
    await emitSome();
  } else await held;
  const failing = thread.sidecar.journal.failing;
  const during = acts;
  const storedDuring = await thread.ledger().then(([node]) => node?.storedSequence ?? -1);
  rmSync(filler);
  await held;
  await eventually(() => thread.sidecar.journal.failing === null);
  await emitSome();
  if (whose === 'sidecar') await eventually(() => losses.length > 0);
  const { ledger, stored } = await settled(thread);
  process.stdout.write(`${JSON.stringify({ number, acts, during, failing, storedDuring, losses, ledger, stored })}\n`);
} finally {
  execFileSync('umount', ['-l', small]);
  rmSync(outside, { recursive: true, force: true });
}
process.exit(0);

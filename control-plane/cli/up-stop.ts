/** The end of `trotline up`: what is waited for, and what stays for the next start. */
import type { Child } from './children.ts';
import { type Context, pause } from './command.ts';
import { count } from './errors.ts';

/** How long a part may take to be down. */
const STOP_MS = 20_000;
/** For the sidecar to say what it drains. */
const DRAINING_MS = 1000;

/** One after the other: the sidecar drains into a living control plane. */
export async function stopAll(all: readonly Child[], { terminal, urgent }: Context): Promise<void> {
  const from = Date.now();
  const children = all.filter(({ hasEnded }) => !hasEnded);
  if (children.length === 0) return;
  for (const child of children) {
    child.requestStop();
    const late = setTimeout(() => {
      terminal.err(
        `${terminal.paint('yellow', 'warning:')} the ${child.name} did not stop within ${STOP_MS / 1000} s and is killed\n`,
      );
      child.kill();
    }, STOP_MS);
    const said = setInterval(
      () => terminal.err(`  waiting for the ${child.name}, ${Math.round((Date.now() - from) / 1000)} s\n`),
      2000,
    );
    if (child.name === 'sidecar') terminal.err(await drainingText(child));
    await child.ended;
    clearTimeout(late);
    clearInterval(said);
  }
  const took = `${((Date.now() - from) / 1000).toFixed(1)} s`;
  terminal.err(
    urgent.aborted ? `left after ${took}${keptText(children)}\n` : `stopped in ${took}${keptText(children)}\n`,
  );
}

/** What the sidecar says it waits for, as soon as it says so. */
async function drainingText(sidecar: Child): Promise<string> {
  const end = Date.now() + DRAINING_MS;
  const still = new AbortController().signal;
  while (!sidecar.hasEnded && !sidecar.logged('draining') && Date.now() < end) await pause(20, still);
  const { active, waiting } = numbersOf(sidecar.logged('draining'));
  if (active === 0 && waiting === 0) return '\ndraining: nothing is under way\n';
  const runs = active === 0 ? '' : `${count(active, 'hook run')} under way${waiting === 0 ? '' : ', '}`;
  const waits =
    waiting === 0 ? '' : `${count(waiting, 'hook run')} wait${waiting === 1 ? 's' : ''}, kept for the next start`;
  return `\ndraining: ${runs}${waits} (Ctrl-C again: leave now)\n`;
}

function numbersOf(record: Readonly<Record<string, unknown>> | undefined): { active: number; waiting: number } {
  const number = (value: unknown): number => (typeof value === 'number' ? value : 0);
  return { active: number(record?.active), waiting: number(record?.waiting) };
}

/** As the sidecar says at its end, else at the beginning of its draining: the control plane hears of it only now and then. */
function keptText(children: readonly Child[]): string {
  const sidecar = children.find(({ name }) => name === 'sidecar');
  const ended = sidecar?.logged('stopped');
  const { active, waiting } = numbersOf(sidecar?.logged('draining'));
  const kept = ended ? numbersOf(ended).waiting : active + waiting;
  return kept === 0 ? '' : `; ${count(kept, 'hook run')} pending, kept for the next start`;
}

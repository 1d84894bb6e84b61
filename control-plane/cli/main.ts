/** The command line's process: signals and the exit code. */
import type { Context } from './command.ts';
import { processTerminal } from './output.ts';
import { run } from './program.ts';

const stop = new AbortController();
const urgent = new AbortController();

const context: Context = {
  terminal: processTerminal(),
  env: process.env,
  signal: stop.signal,
  urgent: urgent.signal,
  heedsStop: false,
  exitCode: 0,
};

/** As shells count a process that SIGINT ended. */
const INTERRUPTED = 130;
/** npm passes on the signal that the terminal has sent us already: within this, two of them are one Ctrl-C. */
const ECHO_MS = 250;
let toldAt = -Infinity;
function told(): void {
  if (!context.heedsStop) process.exit(INTERRUPTED);
  const now = performance.now();
  const echo = now - toldAt < ECHO_MS;
  toldAt = now;
  if (!echo) (stop.signal.aborted ? urgent : stop).abort();
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, told);
// A reader that went away (`| head`, a closed terminal) ends us without a word; what runs is drained first.
process.stdout.on('error', () => stop.abort());
process.stderr.on('error', () => undefined);

process.exitCode = await run(process.argv.slice(2), context);

/** The command line's process: signals and the exit code. */
import { processTerminal } from './output.ts';
import { run } from './program.ts';

const stop = new AbortController();
const urgent = new AbortController();

/** npm passes on the signal that the terminal has sent us already: within this, two of them are one Ctrl-C. */
const ECHO_MS = 250;
let toldAt = -Infinity;
function told(): void {
  const now = performance.now();
  const echo = now - toldAt < ECHO_MS;
  toldAt = now;
  if (!echo) (stop.signal.aborted ? urgent : stop).abort();
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, told);
// A reader that went away (`| head`) ends us without a word.
process.stdout.on('error', () => process.exit(0));

const context = {
  terminal: processTerminal(),
  env: process.env,
  signal: stop.signal,
  urgent: urgent.signal,
  exitCode: 0,
};
process.exitCode = await run(process.argv.slice(2), context);

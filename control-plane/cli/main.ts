/** The command line's process: signals and the exit code. */
import { processTerminal } from './output.ts';
import { run } from './program.ts';

const stop = new AbortController();
const urgent = new AbortController();

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => (stop.signal.aborted ? urgent : stop).abort());
}
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

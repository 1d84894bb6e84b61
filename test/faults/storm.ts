/** `npm run test:storm`: STORM_SECONDS (default 600) of the storm against the shipped programs; its last line is JSON. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { runStorm, stormProblems } from './storm-run.ts';

const SECONDS = Number(process.env.STORM_SECONDS ?? 600);

execFileSync('npm', ['run', '-s', 'build'], {
  cwd: fileURLToPath(new URL('../..', import.meta.url)),
  stdio: 'inherit',
});
const figures = await runStorm(SECONDS);
const problems = stormProblems(figures);
for (const problem of problems) process.stderr.write(`${problem}\n`);
process.stdout.write(`${JSON.stringify(figures)}\n`);
process.exit(problems.length === 0 ? 0 : 1);

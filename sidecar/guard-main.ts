/** `trotline guard check`: what the guard says to a command, or to lines of them. */
import { once } from 'node:events';

import { AppError, ConfigError, errorText, linesOf, oneLine } from '#core';
import { type Checked, type GuardCheck, loadGuardCheck } from '#plugins';

import { onlyDocument, readConfigFile } from './config-file.ts';
import { answerLine, readGuardArguments, USAGE } from './guard-check.ts';

async function checkLines(check: GuardCheck): Promise<boolean> {
  let number = 0;
  let isStopped = false;
  for await (const line of linesOf(process.stdin)) {
    if (line.trim() === '') continue;
    const answer = answerLine(line, ++number, check);
    isStopped ||= 'verdict' in answer && answer.verdict !== 'allow';
    if (!process.stdout.write(`${JSON.stringify(answer)}\n`)) await once(process.stdout, 'drain');
  }
  return isStopped;
}

/** Text of commands steers no terminal. */
function shown({ verdict, risk, reasons }: Checked): string {
  return [`${verdict} (${risk})`, ...reasons.map((reason) => `  ${oneLine(reason, 2000)}`)]
    .map((line) => `${line}\n`)
    .join('');
}

async function main(): Promise<number> {
  const asked = readGuardArguments(process.argv.slice(2));
  if (asked === null) {
    process.stdout.write(USAGE);
    return 0;
  }
  const { config } = asked;
  const options = config === null ? {} : onlyDocument(await readConfigFile(config), config).value;
  const check = await loadGuardCheck(options);
  if (asked.jsonl) return (await checkLines(check)) && asked.exitCode ? 1 : 0;
  const answer = check({ tool: 'Bash', input: { command: asked.command }, cwd: asked.cwd ?? process.cwd() });
  process.stdout.write(asked.json ? `${JSON.stringify(answer, null, 2)}\n` : shown(answer));
  return asked.exitCode && answer.verdict !== 'allow' ? 1 : 0;
}

// Whoever reads our lines may go away.
process.stdout.on('error', () => process.exit(0));
main()
  .then((code) => (process.exitCode = code))
  .catch((error: unknown) => {
    process.stderr.write(`error: ${errorText(error)}\n`);
    const isUsage = error instanceof ConfigError || (error instanceof AppError && error.code === 'USAGE');
    process.exitCode = isUsage ? 2 : 1;
  });

import { parseArgs } from 'node:util';

import { AppError } from './errors.ts';
import { didYouMean } from './nearest.ts';

/**
 * The command line of a program whose options are all `--name VALUE`; the last of a repeated one counts. Null: `--help` or
 * `-h` was given. Throws USAGE that names the first word that is none of its options, or an option without its value.
 */
export function parseArguments<Name extends string>(
  argv: readonly string[],
  names: readonly Name[],
): Partial<Record<Name, string>> | null {
  const options = Object.fromEntries(names.map((name) => [name, { type: 'string' }] as const));
  const help = { help: { type: 'boolean', short: 'h' } } as const;
  const { tokens } = parseArgs({ args: [...argv], options: { ...options, ...help }, strict: false, tokens: true });
  const values: Partial<Record<Name, string>> = {};
  for (const token of tokens) {
    if (token.kind === 'option-terminator') continue;
    if (token.kind === 'positional') throw usage(`unexpected ${JSON.stringify(token.value)}`);
    if (token.name === 'help') return null;
    const name = names.find((one) => one === token.name);
    if (name === undefined) throw usage(`unknown option ${token.rawName}${proposal(token.name, names)}`);
    const { value } = token;
    // `--data --node x` forgot a value; one that begins with a dash is given as `--data=-x`.
    if (value === undefined || value === '' || (value.startsWith('-') && !token.inlineValue))
      throw usage(`${token.rawName} has no value`);
    values[name] = value;
  }
  return values;
}

function proposal(name: string, names: readonly string[]): string {
  return didYouMean(name, names).replace('"', '"--');
}

function usage(text: string): AppError {
  return new AppError('USAGE', `${text} (see --help)`);
}

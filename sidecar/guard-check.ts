/** `trotline guard check`: how it is asked, and its answer to one line. */
import { parseArgs } from 'node:util';

import { AppError, errorText, isObject, textOf } from '#core';
import type { GuardCheck } from '#plugins';

export const USAGE = `Usage: trotline guard check [options] COMMAND
       trotline guard check --jsonl [options] < LINES

Says what the guard would answer an agent that is about to run this. Nothing is run.

  --cwd DIR      folder that the command would run in (default: this one; with --jsonl: none is known)
  --config FILE  YAML with the options of the action \`guard\` (default: what a hook has without any)
  --jsonl        lines {"id","command","cwd"} from stdin; answers {"id","verdict","risk","reasons"}, one line each.
                 {"id","tool_name","tool_input","cwd"} is a tool call of an agent
  --exit-code    end with 1 where the verdict is ask or deny
  -o json        the answer as JSON
  -h, --help     this text

Examples:
  trotline guard check 'rm -rf build'
  trotline guard check --cwd / -o json 'find . -delete'
  trotline guard check --jsonl < commands.jsonl
`;

export interface Asked {
  readonly command: string;
  readonly cwd: string | null;
  readonly config: string | null;
  readonly jsonl: boolean;
  readonly exitCode: boolean;
  readonly json: boolean;
}

/** Null: help was asked for. Throws USAGE. */
export function readGuardArguments(argv: readonly string[]): Asked | null {
  const { values, positionals } = parsed(argv);
  if (values.help) return null;
  const [verb, ...words] = positionals;
  if (verb !== 'check')
    throw new AppError(
      'USAGE',
      `${verb === undefined ? 'nothing' : JSON.stringify(verb)} is to be done, expected check (see --help)`,
    );
  if (values.output !== undefined && values.output !== 'json' && values.output !== 'text')
    throw new AppError('USAGE', `--output is ${JSON.stringify(values.output)}, expected text or json`);
  const jsonl = values.jsonl === true;
  if (jsonl && words.length > 0)
    throw new AppError('USAGE', '--jsonl reads commands from stdin, expected none beside it');
  if (!jsonl && words.length !== 1)
    throw new AppError('USAGE', `${words.length} commands are given, expected one, as one word (quote it), or --jsonl`);
  return {
    command: words[0] ?? '',
    cwd: values.cwd ?? null,
    config: values.config ?? null,
    jsonl,
    exitCode: values['exit-code'] === true,
    json: values.output === 'json',
  };
}

function parsed(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        cwd: { type: 'string' },
        config: { type: 'string' },
        jsonl: { type: 'boolean' },
        'exit-code': { type: 'boolean' },
        output: { type: 'string', short: 'o' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new AppError('USAGE', `${errorText(error)} (see --help)`);
  }
}

/** The answer to one line; a line that is none says so in its place. */
export function answerLine(line: string, number: number, check: GuardCheck): object {
  let given: unknown;
  try {
    given = JSON.parse(line);
  } catch (error) {
    return { id: null, error: `line ${number}: ${errorText(error)}` };
  }
  if (!isObject(given)) return { id: null, error: `line ${number}: expected an object` };
  const { id = null, command, tool_name: tool, tool_input: input } = given;
  const cwd = textOf(given.cwd);
  if (typeof command === 'string') return { id, ...check({ tool: 'Bash', input: { command }, cwd }) };
  if (isObject(input)) return { id, ...check({ tool: textOf(tool), input, cwd }) };
  return { id, error: `line ${number}: /command is missing, expected text` };
}

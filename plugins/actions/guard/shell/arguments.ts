/** Options and operands of a command, however they are written: bundled, long, abbreviated, in any order. */

export interface Arguments {
  /** Options by their short letter or long name, without dashes. */
  readonly flags: ReadonlySet<string>;
  /** The last value of an option that takes one. */
  readonly values: ReadonlyMap<string, string>;
  /** Every value, in order. */
  readonly all: readonly (readonly [name: string, value: string])[];
  readonly operands: readonly string[];
  readonly has: (...names: readonly string[]) => boolean;
  readonly value: (...names: readonly string[]) => string | undefined;
}

export interface OptionStyle {
  /** Options that take a value: letters and long names. */
  readonly valued?: readonly string[];
  /** Long options, for abbreviations: `--recurs`. */
  readonly long?: readonly string[];
  /** `-name value` as in find or terraform: one dash before a long name. */
  readonly singleDash?: boolean;
  /** Everything from the first operand on is another command's. */
  readonly untilOperand?: boolean;
}

const NONE: readonly string[] = [];

export function parseOptions(argv: readonly string[], style: OptionStyle = {}): Arguments {
  const { valued = NONE, long = NONE, singleDash = false, untilOperand = false } = style;
  const flags = new Set<string>();
  const all: [string, string][] = [];
  const operands: string[] = [];
  let at = 0;
  const take = (name: string, attached: string | undefined): void => {
    flags.add(name);
    if (attached !== undefined) all.push([name, attached]);
    else if (valued.includes(name)) all.push([name, argv[++at] ?? '']);
  };
  for (; at < argv.length; at++) {
    const arg = argv[at] ?? '';
    if (arg === '--') {
      operands.push(...argv.slice(at + 1));
      break;
    }
    if (arg.startsWith('--') || (singleDash && /^-[A-Za-z]/.test(arg))) {
      const [written = '', ...attached] = arg.replace(/^--?/, '').split('=');
      take(unabbreviated(written, [...long, ...valued]), attached.length > 0 ? attached.join('=') : undefined);
    } else if (arg.startsWith('-') && arg.length > 1) {
      bundle(arg.slice(1), valued, take);
    } else {
      if (untilOperand) {
        operands.push(...argv.slice(at));
        break;
      }
      operands.push(arg);
    }
  }
  const values = new Map(all);
  return {
    flags,
    values,
    all,
    operands,
    has: (...names) => names.some((name) => flags.has(name)),
    value: (...names) => names.map((name) => values.get(name)).find((value) => value !== undefined),
  };
}

/** `-rf`, `-n5`, `-ofile`. */
function bundle(letters: string, valued: readonly string[], take: (name: string, attached?: string) => void): void {
  for (let at = 0; at < letters.length; at++) {
    const letter = letters[at] ?? '';
    if (!valued.includes(letter)) {
      take(letter, undefined);
      continue;
    }
    const attached = letters.slice(at + 1);
    take(letter, attached === '' ? undefined : attached);
    return;
  }
}

function unabbreviated(name: string, long: readonly string[]): string {
  if (long.includes(name) || name.length < 2) return name;
  const found = long.find((known) => known.length > 1 && known.startsWith(name));
  return found ?? name;
}

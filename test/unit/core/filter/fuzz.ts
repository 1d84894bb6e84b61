import { compileCondition, type Condition, FIELDS, FilterError } from '../../../../core/filter/index.ts';
import { eventWith } from './kit.ts';

const SEEDS = [
  "(interface =~ 'veth.*' AND message_type == 16) OR event_type == 1",
  'message_type IN [16, 17, 20, 21]',
  String.raw`NOT (netlink.link.mtu >= 9000 or interface !~ "^(eth|en)\d+(?i:x)$") and namespace != 'a\'b'`,
  "netlink.route.gateway == netlink.route.dst AND sequence < 99999999999999999999 OR (1 == 1) != (2 < '3')",
  "interface =~ '(veth|cali)[0-9a-f]{4,}|\\pL+\\b' OR interface IN ['lo' \"eth0\", netlink.link.ifname,]",
];
const PIECES = [
  ...'()[],=!~<>\'"\\ \t\n.-&|+*?{}^$0123456789azAZ_\0\u007fé😀\ud800'.split(''),
  'AND',
  'or',
  'Not',
  'IN',
  '==',
  '!=',
  '<=',
  '>=',
  '=~',
  '!~',
  "''",
  '[]',
  '((',
  '))',
  '16AND',
  '(?=',
  '(?<',
  '\\1',
  '{1000}',
  ' interface ',
  "'veth.*'",
  ' 9007199254740993 ',
  '\\pL',
  '[[:alpha:]]',
  '.*',
  '(?i)',
  '\\Q',
  '\\C',
  '\\x{10FFFF}',
  ...FIELDS.keys(),
];

/** A language whose compiler is given hostile texts. */
export interface Language {
  readonly compile: (text: string) => Condition;
  readonly seeds: readonly string[];
  readonly pieces: readonly string[];
}
export const CONDITIONS: Language = { compile: compileCondition, seeds: SEEDS, pieces: PIECES };

const EVENT = eventWith({
  interface: 'veth0',
  message_type: 16,
  event_type: 1,
  'netlink.link.mtu': 1500,
  'netlink.link.ifname': 'veth0',
});

/** What became of the texts of one run. */
export interface Fuzzed {
  accepted: number;
  refused: number;
}

/**
 * Compiles `cases` random and mutated texts, the same ones for the same seed. Throws, with the text, on the first one
 * that fails by anything but a FilterError, whose error points outside the text, or that is explained differently than
 * it is matched.
 */
export function fuzz(cases: number, seed: number, language: Language = CONDITIONS): Fuzzed {
  const below = randomBelow(seed);
  const result: Fuzzed = { accepted: 0, refused: 0 };
  for (let i = 0; i < cases; i++) {
    const { seeds, pieces } = language;
    const text = below(4) === 0 ? randomText(pieces, below) : mutated(seeds[below(seeds.length)]!, pieces, below);
    try {
      if (accepts(text, language)) result.accepted++;
      else result.refused++;
    } catch (cause) {
      throw new Error(`case ${i} of seed ${seed}: ${JSON.stringify(text)}`, { cause });
    }
  }
  return result;
}

function accepts(text: string, { compile }: Language): boolean {
  try {
    const condition = compile(text);
    if (condition.matches(EVENT) !== condition.explain(EVENT).value) throw new Error('explained differently');
    return true;
  } catch (error) {
    if (!(error instanceof FilterError)) throw error;
    const { offset, line, column, caret } = error;
    const lineStart = offset - column + 1;
    const before = text.slice(0, lineStart);
    const sound =
      offset >= 0 &&
      offset <= text.length &&
      before.split('\n').length === line &&
      (before === '' || before.endsWith('\n'));
    if (!sound || !/^[^\n]*\n[ \t]*\^+$/.test(caret)) throw new Error('points nowhere', { cause: error });
    return false;
  }
}

function randomText(pieces: readonly string[], below: (limit: number) => number): string {
  return Array.from({ length: below(12) }, () => pieces[below(pieces.length)]).join(below(2) === 0 ? '' : ' ');
}

function mutated(text: string, pieces: readonly string[], below: (limit: number) => number): string {
  let result = text;
  for (let changes = 1 + below(3); changes > 0; changes--) {
    const at = below(result.length + 1);
    const until = at + below(3) * below(8);
    result = result.slice(0, at) + (below(2) === 0 ? pieces[below(pieces.length)]! : '') + result.slice(until);
  }
  return result;
}

/** Mulberry32: small, fast, the same everywhere. */
function randomBelow(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

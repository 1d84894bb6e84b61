import { describe, expect, it } from 'vitest';
import { AppError } from '../../../../core/errors.ts';
import { compileCondition, compileConditionInTurns, FIELDS } from '../../../../core/filter/index.ts';
import { eventWith, matches, refusal } from './kit.ts';

describe('grammar', () => {
  it.each([
    ['keywords in any case', "interface == 'lo' aNd nOt sequence iN [] oR sequence == 2"],
    ['fields in any case', "INTERFACE == 'lo' AND Netlink.Link.MTU == 1500"],
    ['operands on either side', "'lo' == interface AND 1500 >= netlink.link.mtu AND 1500 IN [netlink.link.mtu]"],
    ['a field with a field', 'interface == netlink.link.ifname'],
    ['an operand in parentheses', "(interface) == ('lo')"],
    ['no white space at all', "(interface=='lo')AND(1)==1AND".replace('1AND', '1 AND') + "'a'!='b'"],
    ['every white space of C', "interface\t==\n'lo'\v\f\r"],
    ['leading zeros', 'netlink.link.mtu == 0001500'],
    ['the other quote inside a string', `'"' == "\\"" AND "'" == '\\''`],
    ['NOT before IN', 'NOT interface IN []'],
    ['lists without commas and with a last comma', "interface IN ['a' 'lo'] AND interface IN ['lo',]"],
    ['a word right after a string', "interface == 'lo'AND'a' == 'a'"],
  ])('takes %s', (_, text) => {
    expect(matches(text, { interface: 'lo', 'netlink.link.mtu': 1500, 'netlink.link.ifname': 'lo' })).toBe(true);
  });

  it('binds NOT tighter than AND, AND tighter than OR, and comparisons tightest', () => {
    expect(matches('1 == 1 OR 1 == 1 AND 1 == 2')).toBe(true);
    expect(matches('(1 == 1 OR 1 == 1) AND 1 == 2')).toBe(false);
    expect(matches('NOT 1 == 2 AND 1 == 2')).toBe(false);
    expect(matches('NOT (1 == 2 AND 1 == 2)')).toBe(true);
    expect(matches('NOT 1 == 1')).toBe(false);
    expect(matches('NOT NOT 1 == 1')).toBe(true);
  });
});

/** Text, offset, and a part of the message. */
const REFUSED: readonly (readonly [text: string, offset: number, message: string])[] = [
  ['interface ==', 12, 'unexpected end'],
  ['foo == 1', 0, 'unknown field foo'],
  ['interface == veth12', 13, 'unknown field veth12'],
  ['16AND 1', 0, 'touches a word'],
  ['message_type == 16AND event_type == 1', 16, 'touches a word'],
  ['sequence == 1_000', 12, 'touches a word'],
  ['sequence == -1', 12, 'without a sign'],
  ['sequence == 1.5', 13, 'without a fraction'],
  ['sequence == 0x10', 12, 'touches a word'],
  ["interface = 'lo'", 10, '=='],
  ['sequence == 1 && sequence == 2', 14, 'AND'],
  ['sequence == 1 || sequence == 2', 14, 'OR'],
  ['!sequence', 0, 'NOT'],
  ['sequence == 1;', 13, 'unexpected character ;'],
  ['sequence\u00a0== 1', 8, 'U+00A0'],
  ['sequence == 1\0', 13, 'U+0000'],
  ["interface NOT IN ['lo']", 10, 'unexpected NOT'],
  ['sequence == 1 == 1', 14, 'unexpected =='],
  ['sequence == NOT 1', 12, 'unexpected NOT'],
  ['sequence 1', 9, 'unexpected 1'],
  ['AND', 0, 'unexpected AND'],
  ['sequence == 1)', 13, 'unexpected )'],
  ['()', 1, 'unexpected )'],
  // Lists.
  ['[1] == 1', 0, 'unexpected ['],
  ['sequence == [1]', 12, 'unexpected ['],
  ['sequence IN 1', 12, 'a list'],
  ['sequence IN (1)', 12, 'a list'],
  ['sequence IN ([1])', 12, 'a list'],
  ['sequence IN interface', 12, 'a list'],
  ['sequence IN', 11, 'a list'],
  ['sequence IN [[1]]', 13, 'unexpected ['],
  ['sequence IN [(1)]', 13, 'unexpected ('],
  ['sequence IN [,1]', 13, 'unexpected ,'],
  ['sequence IN [1,,2]', 15, 'unexpected ,'],
  ['sequence IN [1 == 1]', 15, 'unexpected =='],
  ['sequence IN [1, 2', 12, 'list is not closed'],
  // Parentheses and strings.
  ['sequence == 1 AND (sequence == 2', 18, 'parenthesis is not closed'],
  ['((sequence == 1)', 0, 'parenthesis is not closed'],
  ['(sequence == 1]', 14, 'unexpected ]'],
  ["interface == 'lo", 13, 'string is not closed'],
  ['interface == "lo\'', 13, 'string is not closed'],
  ["interface == 'lo\\'", 13, 'string is not closed'],
  ["interface == '\\", 13, 'string is not closed'],
  ["interface == 'a\u0000b'", 15, 'control character U+0000'],
  ["interface == 'a\u001bb'", 15, 'control character U+001B'],
  ["interface == 'a\u007fb'", 15, 'control character U+007F'],
  ["interface == 'a\u0085b'", 15, 'control character U+0085'],
  // Patterns.
  ['interface =~ namespace', 13, 'as a string'],
  ['interface =~ 16', 13, 'as a string'],
  ["interface =~ ('a')", 13, 'as a string'],
  ["interface !~ ['a']", 13, 'as a string'],
  ["interface =~ 'veth[' OR foo", 13, 'bad pattern: missing closing ]'],
  ["interface !~ '*'", 13, 'bad pattern'],
  ["interface =~ '(?=a)'", 13, 'look-around'],
  ["interface =~ 'a(?!b)'", 13, 'look-around'],
  ["interface =~ '(?<=a)b'", 13, 'look-around'],
  ["interface =~ '(?<!a)b'", 13, 'look-around'],
  ["interface =~ '(a)\\1'", 13, 'back-references'],
  ["interface =~ '(a{1000}){1000}'", 13, 'bad pattern'],
  ["interface =~ '" + 'x{1000}'.repeat(30) + "'", 13, 'pattern too large'],
  // Nothing but white space.
  [' ', 1, 'unexpected end'],
  ['\n\t', 2, 'unexpected end'],
];

describe('errors', () => {
  it.each(REFUSED)('N4: refuses %j at offset %i', (text, offset, message) => {
    const error = refusal(text);
    expect(error).toBeInstanceOf(AppError);
    expect(error).toMatchObject({
      code: 'FILTER_INVALID',
      offset,
      line: expect.any(Number),
      column: expect.any(Number),
    });
    expect(error.message).toContain(message);
    expect(error.expected).not.toBe('');
    expect(error.details).toMatchObject({ offset, expected: error.expected });
  });

  it('N4: counts lines and columns from 1 and offsets in UTF-16 code units', () => {
    const text = "interface == '😀'\r\n  AND\n\tfoo == 1";
    expect(refusal(text)).toMatchObject({
      offset: 26,
      line: 3,
      column: 2,
      reason: 'unknown field foo',
      caret: '\tfoo == 1\n\t^^^',
    });
    expect(refusal("'😀' = 1")).toMatchObject({ offset: 5, line: 1, column: 6, caret: "'😀' = 1\n    ^" });
  });

  it('N5: names every known field and the nearest for an unknown one', () => {
    const { message, expected } = refusal('interfcae == 1');
    expect(message).toContain('(did you mean interface?)');
    for (const name of FIELDS.keys()) expect(expected).toContain(name);
    expect(message).toContain(expected);
  });

  it('reports the first problem from the left', () => {
    expect(refusal("foo == 'open").offset).toBe(0);
    expect(refusal("interface =~ '[' AND (").offset).toBe(13);
  });

  it('tells every unknown name and bad pattern, and where reading ended', () => {
    const { all } = refusal("interfce =~ '[' AND mesage_type == 1 OR (");
    expect(all.map(({ offset, message }) => [offset, message.replace(/:.*/, '')])).toEqual([
      [0, 'unknown field interfce (did you mean interface?)'],
      [12, 'bad pattern'],
      [20, 'unknown field mesage_type (did you mean message_type?)'],
      [41, 'unexpected end'],
    ]);
    expect(refusal('a AND '.repeat(100)).all).toHaveLength(21);
  });
});

describe('strings', () => {
  it.each([
    [String.raw`'\\'`, '\\'],
    [String.raw`'it\'s'`, "it's"],
    [String.raw`"\""`, '"'],
    [String.raw`'\"'`, '"'],
    [String.raw`'veth\d+'`, String.raw`veth\d+`],
    [String.raw`'\\\d\n\\'`, String.raw`\\d\n` + '\\'],
    ["'a\tb\nc\r'", 'a\tb\nc\r'],
    ["''", ''],
    ["'é😀'", 'é😀'],
  ])('reads %s', (literal, value) => {
    expect(matches(`interface == ${literal}`, { interface: value })).toBe(true);
  });

  it.each([String.raw`'^192\.168$'`, String.raw`"^192\\.168$"`])(
    'N8: takes %s as a pattern with an escaped dot',
    (pattern) => {
      expect(matches(`interface =~ ${pattern}`, { interface: '192.168' })).toBe(true);
      expect(matches(`interface =~ ${pattern}`, { interface: '192x168' })).toBe(false);
    },
  );
});

describe('limits', () => {
  const bytes = (count: number) => `interface == '${'a'.repeat(count - 15)}'`;

  it('takes 64 KiB and refuses more, naming the limit', () => {
    expect(compileCondition(bytes(65_536)).text).toHaveLength(65_536);
    expect(refusal(bytes(65_537)).message).toContain('64 KiB');
    expect(refusal(`interface == '${'é'.repeat(33_000)}'`).message).toContain('64 KiB');
  });

  it('takes 256 levels of parentheses and NOTs and refuses one more, naming the limit', () => {
    const nested = (levels: number) => '('.repeat(levels) + '1 == 1' + ')'.repeat(levels);
    expect(matches(nested(256))).toBe(true);
    expect(matches('NOT '.repeat(256) + '1 == 1')).toBe(true);
    expect(matches('NOT ('.repeat(128) + '1 == 1' + ')'.repeat(128))).toBe(true);
    expect(refusal(nested(257))).toMatchObject({ offset: 256, expected: expect.stringContaining('256 levels') });
    expect(refusal('NOT '.repeat(257) + '1 == 1')).toMatchObject({ offset: 1024 });
    expect(refusal('NOT ('.repeat(129) + '1 == 1' + ')'.repeat(129)).message).toContain('256');
  });

  it('takes any number of levels that are beside each other', () => {
    expect(matches(Array.from({ length: 3_000 }, () => 'NOT (1 == 2)').join(' AND '))).toBe(true);
    expect(matches('1 == 2 OR '.repeat(5_000) + '1 == 1')).toBe(true);
  });
});

describe('compiling in turns', () => {
  it('gives the event loop a turn at least every 256 words and after each pattern', async () => {
    const turnsOf = async (text: string) => {
      let turns = 0;
      const { matches: holds } = await compileConditionInTurns(text, () => void turns++);
      expect(holds(eventWith({ interface: 'lo' }))).toBe(true);
      return turns;
    };
    expect(await turnsOf("interface == 'lo'")).toBe(0);
    expect(await turnsOf('')).toBe(0);
    expect(await turnsOf(Array(1_000).fill("interface == 'lo'").join(' OR '))).toBe(15);
    expect(await turnsOf(`interface IN [${Array(1_000).fill("'lo'").join(' ')}]`)).toBe(3);
    expect(await turnsOf(Array(100).fill("interface =~ '[l]o'").join(' AND '))).toBe(99);
    expect(await turnsOf(Array(100).fill("(interface =~ '[l]o')").join(' AND '))).toBe(99);
  });

  it('refuses as compiling at once does', async () => {
    await expect(compileConditionInTurns("interface == 'lo' AND foo == 1", () => undefined)).rejects.toMatchObject({
      offset: 22,
      code: 'FILTER_INVALID',
    });
  });
});

import { describe, expect, it } from 'vitest';

import { ConfigError, type Issue, placeInExcerpt, readDocuments } from '#core';

import { summary, thrownBy } from './kit.ts';

/** The place of a pointer in the only document: `line:column`, and what the line has from there on. */
function placeOf(text: string, path: string, offset?: number, issue: Partial<Issue> = {}): string {
  const [document] = readDocuments(text, 'a.yaml');
  const { line, column = 1, excerpt = '' } = document!.place({ path, message: 'x', ...issue }, offset);
  return `${line}:${column} ${excerpt.slice(placeInExcerpt(column))}`;
}

/** `line:column  message` of every problem that refuses the text. */
function refusal(text: string): string[] {
  const error = thrownBy(() => readDocuments(text, 'a.yaml'));
  if (!(error instanceof ConfigError)) throw error;
  for (const { file } of error.issues) expect(file).toBe('a.yaml');
  return error.issues.map(summary);
}

describe('documents of a file', () => {
  it.each([
    ['', []],
    ['# only a comment\n', []],
    ['---\n', []],
    ['~', []],
    ['a: 1\n---\n---\nb: 2\n', [{ a: 1 }, { b: 2 }]],
    ['a: 1\n...\nb: 2\n', [{ a: 1 }, { b: 2 }]],
    ['"a b": [1, { c: yes }]', [{ 'a b': [1, { c: 'yes' }] }]],
    ['a: &x { b: 1 }\nc: *x', [{ a: { b: 1 }, c: { b: 1 } }]],
    ['text', ['text']],
  ])('in %j are the ones that say something', (text, values) => {
    expect(readDocuments(text, 'a.yaml').map(({ value }) => value)).toEqual(values);
  });

  it('are read with CRLF, a byte order mark and both', () => {
    expect(readDocuments('\uFEFFa: 1\r\nb:\r\n  - c\r\n', 'a.yaml').map(({ value }) => value)).toEqual([
      { a: 1, b: ['c'] },
    ]);
  });

  it('have keys of any kind as text', () => {
    const [document] = readDocuments('1: a\ntrue: b\n~: c\n? [x]\n: d\n', 'a.yaml');
    expect(document?.value).toEqual({ '1': 'a', true: 'b', '': 'c', '[ x ]': 'd' });
  });
});

describe('the place of a problem', () => {
  it.each([
    ['a value in block style', 'a:\n  b:\n    - c\n    - d: e\n', '/a/b/1/d', '4:10 e'],
    ['a value in flow style', 'a: { b: [c, { d: e }] }', '/a/b/1/d', '1:18 e }] }'],
    ['a map', 'a:\n  b: 1\n', '/a', '2:3 b: 1'],
    ['the whole document', '# c\n\na: 1\n', '', '3:1 a: 1'],
    ['what is missing: its parent', 'x: 1\na:\n  b: 1\n', '/a/gone/deeper', '3:3 b: 1'],
    ['what is missing in a list', 'a: [1]\n', '/a/7', '1:4 [1]'],
    ['what is missing below a text', 'a: b\n', '/a/c', '1:4 b'],
    ['a value that was left out', 'a:\nb: 1\n', '/a', '1:1 a:'],
    ['a quoted text: its first character', 'a: "b"', '/a', '1:5 b"'],
    ['a number key', 'a:\n  1: x\n', '/a/1', '2:6 x'],
    ['a null key', '~: x\n', '/', '1:4 x'],
    ['a list as a key: its map', '? [x]\n: d\n', '/[ x ]', '1:1 ? [x]'],
    ['a key with a slash and a tilde', '"a/b~": x', '/a~1b~0', '1:9 x'],
    ['behind an alias: the anchored text', 'a: &x\n  b: 1\nc: *x\n', '/c/b', '2:6 1'],
    ['an aliased text', 'a: &x "q"\nc: *x\n', '/c', '1:8 q"'],
    ['after CRLF', 'a: 1\r\nb: 2\r\n', '/b', '2:4 2'],
    ['after a byte order mark', '\uFEFFa: b', '/a', '1:4 b'],
    ['after a tab', 'a:\tb', '/a', '1:4 b'],
    ['after characters of two units', '"😀": b', '/😀', '1:7 b'],
  ])('of %s', (_, text, path, place) => {
    expect(placeOf(text, path)).toBe(place);
  });

  it('of a key is the key', () => {
    expect(placeOf('a:\n  typo: { x: 1 }\n', '/a/typo', 0, { atKey: true })).toBe('2:3 typo: { x: 1 }');
    expect(placeOf('a: [{ typo: 1 }]\n', '/a/0/typo', 0, { atKey: true })).toBe('1:7 typo: 1 }]');
    expect(placeOf('a: [b]\n', '/a/0', 0, { atKey: true })).toBe('1:5 b]');
  });

  it('is in the right one of several documents', () => {
    const places = readDocuments('a: 1\n---\na: 2\n---\n# c\na: 3', 'a.yaml').map(
      (document) => document.place({ path: '/a', message: 'x' }).line,
    );
    expect(places).toEqual([1, 3, 6]);
  });

  it('brings file and line, without the marks that were for the way', () => {
    const [document] = readDocuments('a: 1\r\nb: 2\r\n', 'a.yaml');
    expect(document?.place({ path: '/b', message: 'x', expected: 'y', atKey: true })).toEqual({
      path: '/b',
      message: 'x',
      expected: 'y',
      file: 'a.yaml',
      line: 2,
      column: 1,
      excerpt: 'b: 2',
    });
  });
});

describe('the excerpt of a problem', () => {
  const excerptOf = (text: string, path: string) => {
    const { column = 1, excerpt = '' } = readDocuments(text, 'a.yaml')[0]!.place({ path, message: 'x' });
    return { excerpt, at: placeInExcerpt(column) };
  };

  it('is the whole of a short line', () => {
    expect(excerptOf('a: 1\r\nb: { c: 2 }\r\n', '/b/c')).toEqual({ excerpt: 'b: { c: 2 }', at: 8 });
  });

  it('has of a long line what is around the column', () => {
    const { excerpt, at } = excerptOf(`{ a: ${'x'.repeat(5000)}, b: bad, c: ${'y'.repeat(5000)} }\n`, '/b');
    expect(excerpt).toHaveLength(200);
    expect(excerpt.slice(at)).toMatch(/^bad, c: y+$/);
  });
});

describe('the lines of chosen values', () => {
  const linesOf = (text: string, key: string): number[] =>
    readDocuments(text, 'a.yaml').flatMap((document) => document.linesOf((name) => name === key));

  it.each([
    ['on one line', 'a: 1\nk: x\n', [2]],
    ['in a block', 'k:\n  a: 1\n  b: |\n    x\n    y\nz: 1\n', [2, 3, 4, 5]],
    ['in flow style at any depth', 'a: [{ k: {\n  x: 1 } }]\nb: 1', [1, 2]],
    ['behind aliases', 'a: &x { b: &y "q\n  r" }\nc: 1\nk: *x\n', [1, 2]],
    ['of every document', 'k: 1\n---\nk: 2\n', [1, 3]],
  ])('are found %s', (_, text, lines) => {
    expect(linesOf(text, 'k')).toEqual(lines);
  });
});

describe('a place inside a text', () => {
  it.each([
    ['plain', 'a: one two three', '1:12 three'],
    ['single quotes', "a: 'one two three'", "1:13 three'"],
    ['doubled single quotes', "a: '''one'' two three'", "1:17 three'"],
    ['double quotes', 'a: "one two three"', '1:13 three"'],
    ['escaped quotes', 'a: "\\"one\\" two three"', '1:17 three"'],
    ['every kind of escape', 'a: "\\x41\\u0042\\U00000043\\U0001F600\\t two three"', '1:42 three"'],
    ['a continued line', 'a: "one \\\n    two three"', '2:9 three"'],
    ['plain text over lines', 'a: one\n  two\n  three', '3:3 three'],
    ['quotes over lines', 'a: "one\n  two\n\n  three"', '4:3 three"'],
    ['quotes over lines with CRLF', 'a: "one\r\n  two\r\n\r\n  three"', '4:3 three"'],
    ['a literal block', 'a: |\n  one\n  two\n  three\n', '4:3 three'],
    ['a literal block with a comment', 'a: |- # c\n  one\n\n    two\n  three', '5:3 three'],
    ['a folded block', 'a: >\n  one two\n  three\n', '3:3 three'],
    ['a folded block with deeper lines', 'a: >-\n  one\n\n    two\n\n\n  three', '7:3 three'],
    ['an anchored text', 'a: &x "one two three"', '1:16 three"'],
    ['a tagged text', 'a: !!str one two three', '1:18 three'],
  ])('follows %s', (_, text, place) => {
    const [document] = readDocuments(text, 'a.yaml');
    const { a } = document!.value as { a: string };
    expect(placeOf(text, '/a', a.indexOf('three'))).toBe(place);
  });

  it('may be in flow style', () => {
    expect(placeOf('{ a: "one two three" }', '/a', 8)).toBe('1:15 three" }');
  });

  it('may be within a run of blanks', () => {
    expect(placeOf("a: 'one     two'", '/a', 5)).toBe("1:10    two'");
  });

  it('is found at once behind many blanks', () => {
    expect(placeOf(`a: '${' '.repeat(1_000_000)}x'`, '/a', 1_000_000)).toBe("1:1000005 x'");
  });

  it('may be its end', () => {
    expect(placeOf('a: one', '/a', 3)).toBe('1:7 ');
    expect(placeOf('a: "one"', '/a', 3)).toBe('1:8 "');
    expect(placeOf('a: one', '/a', 99)).toBe('1:7 ');
  });
});

describe('a file that is not YAML', () => {
  it.each([
    ['a: [1', ['1:6  Flow sequence in block collection must be sufficiently indented and end with a ]']],
    ['a: 1\na: 2\n', ['2:1  Map keys must be unique']],
    ['a:\n\tb: 1\n', ['2:1  Tabs are not allowed as indentation']],
    ['a: "x\n', ['2:1  Missing closing "quote']],
    ['ok: 1\n---\na: 1\na: 2\n---\nb: 1\nb: 2\n', ['4:1  Map keys must be unique', '7:1  Map keys must be unique']],
    [
      'a: *x\nb: &y 1\nc: [*y, *z]\n',
      ['1:4  the alias *x has no anchor before it', '3:9  the alias *z has no anchor before it'],
    ],
  ])('is refused with every place: %j', (text, places) => {
    expect(refusal(text)).toEqual(places);
  });

  it('tells a hundred problems at most', () => {
    expect(refusal('a: 1\n'.repeat(500))).toHaveLength(100);
  });
});

describe('a file out of proportion', () => {
  it('is refused above its size', () => {
    const error = thrownBy(() => readDocuments(`a: ${'x'.repeat(10_000_000)}`, 'a.yaml'));
    expect(error).toMatchObject({
      issues: [{ path: '', message: 'has 10000003 bytes', expected: 'at most 4194304', file: 'a.yaml' }],
    });
  });

  it('is read below it', () => {
    expect(readDocuments(`a: ${'x'.repeat(4_000_000)}`, 'a.yaml')).toHaveLength(1);
  });

  it.each([101, 800, 20_000])('is refused at %d levels, with one problem', (depth) => {
    expect(refusal('['.repeat(depth) + ']'.repeat(depth))).toEqual([expect.stringContaining('is nested too deeply')]);
  });

  it('is read at a hundred levels', () => {
    expect(readDocuments('['.repeat(100) + ']'.repeat(100), 'a.yaml')).toHaveLength(1);
  });

  it('is refused with one problem when its aliases multiply', () => {
    const levels = Array.from({ length: 9 }, (_, n) => `  - &a${n + 1} [${Array(9).fill(`*a${n}`).join(', ')}]`);
    expect(refusal(`x:\n  - &a0 lol\n${levels.join('\n')}\n`)).toEqual(['1:1  holds too much']);
  });

  it('is refused when an alias is inside its own anchor', () => {
    expect(refusal('a: &x [*x]')).toEqual(['1:1  is nested too deeply']);
  });

  it('may use one anchor in every hook of a long list', () => {
    expect(readDocuments(`a: &x { b: 1 }\nc:\n${'  - *x\n'.repeat(5000)}`, 'a.yaml')).toHaveLength(1);
  });
});

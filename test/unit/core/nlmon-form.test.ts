import { describe, expect, it } from 'vitest';

import { refuseDuplicates } from '#core';

import { nlmonPath } from '../../../core/nlmon-form.ts';
import { problems, read } from './kit.ts';

/** A document with these entries, from line 4 on. */
function nlmon(...entries: string[]): string {
  return `nlmon:\n  integration:\n    hooks:\n${entries.map((entry) => `      - ${entry}\n`).join('')}`;
}

describe('an nlmon document', () => {
  it('N1: keeps names, scripts and conditions byte-exact', () => {
    const name = 'wer  da?: "ü" 👩‍🚒 #1 ';
    const script = '/opt/x.sh "$NLMON_INTERFACE"  \\\\ \u00a0\ttab';
    const condition = "interface =~ 'veth.*'   AND message_type == 17";
    const { hooks } = read(nlmon(JSON.stringify({ name, script, condition })));
    expect(hooks).toMatchObject([
      { name, namespace: 'trotline', form: 'nlmon', origin: { line: 4 }, spec: { source: 'netlink', condition } },
    ]);
    expect(hooks[0]?.spec.actions[0]?.config).toMatchObject({ script });
  });

  it('N1: takes names of 253 characters, whatever their size in bytes', () => {
    const { hooks } = read(nlmon(`{ name: ${'👩'.repeat(253)}, script: x }`));
    expect(hooks[0]?.name).toBe('👩'.repeat(253));
  });

  it.each(['x'.repeat(254), `a${'\u0301'.repeat(253)}`, '', 'a/b', '"a\\nb"', '"\\ud800"'])(
    'N1: refuses the name %.10s',
    (name) => {
      expect(problems(nlmon(`{ name: ${name || '""'}, script: x }`))).toEqual([
        expect.stringMatching(/^4:1\d \/nlmon\/integration\/hooks\/0\/name ".*is not allowed$/),
      ]);
    },
  );

  it('N2: has the documented defaults', () => {
    const { hooks } = read(nlmon('{ name: a, script: /x }'));
    expect(hooks[0]?.spec).toMatchObject({
      enabled: true,
      run: 'sync',
      condition: '',
      eventTypes: [],
      actions: [{ type: 'script', config: { script: '/x', timeout: 30_000 } }],
    });
  });

  it.each([
    [0, 30_000],
    [1, 1],
    [5000, 5000],
  ])('gives timeout_ms %d as %d', (given, timeout) => {
    const { hooks } = read(nlmon(`{ name: a, script: x, timeout_ms: ${given} }`));
    expect(hooks[0]?.spec.actions[0]?.config).toMatchObject({ timeout });
  });

  it('takes async and enabled as they are', () => {
    const { hooks } = read(nlmon('{ name: a, script: x, async: true, enabled: false }'));
    expect(hooks[0]?.spec).toMatchObject({ run: 'async', enabled: false });
  });

  it('N3: refuses an entry without name or script, at its line', () => {
    const { refused } = read(nlmon('{ script: x }', '{ name: b }', '{}'));
    expect(refused.map(({ id }) => id)).toEqual([null, 'trotline/b', null]);
    expect(problems(nlmon('{ script: x }', '{ name: b }', '{}'))).toEqual([
      '4:9 /nlmon/integration/hooks/0/name is required',
      '5:9 /nlmon/integration/hooks/1/script is required',
      '6:9 /nlmon/integration/hooks/2/name is required',
      '6:9 /nlmon/integration/hooks/2/script is required',
    ]);
  });

  it('N3: refuses a name used twice, naming it and both lines', () => {
    const { hooks } = read(nlmon('{ name: a, script: x }', '{ name: b, script: x }', '{ name: a, script: y }'));
    const { hooks: left, refused } = refuseDuplicates(hooks);
    expect(left.map(({ name }) => name)).toEqual(['a', 'b']);
    expect(refused[0]?.issues).toMatchObject([{ line: 6, message: 'the name "a" is already used at net.yaml:4' }]);
  });

  it('N4: refuses a broken condition with its column and keeps the other hooks', () => {
    const text = nlmon('{ name: a, script: x, condition: "interface ==" }', '{ name: b, script: x }');
    expect(read(text).hooks.map(({ name }) => name)).toEqual(['b']);
    expect(problems(text)).toEqual(['4:55 /nlmon/integration/hooks/0/condition unexpected end']);
  });

  it('N5: refuses an unknown field, listing the known ones', () => {
    const [refused] = read(nlmon('{ name: a, script: x, condition: "foo == 1" }')).refused;
    expect(refused?.issues).toMatchObject([{ line: 4, column: 43, message: 'unknown field foo' }]);
    expect(refused?.issues[0]?.expected).toMatch(/interface, .*message_type/);
  });

  it.each([
    ['async: yes', 'must be true or false'],
    ['async: 1', 'must be true or false'],
    ['enabled: "true"', 'must be true or false'],
    ['enabled:', 'must be true or false'],
    ['timeout_ms: 5s', 'must be a whole number'],
    ['timeout_ms: 1.5', 'must be a whole number'],
    ['timeout_ms: -1', 'must be >= 0'],
    ['timeout_ms: 9000000000', 'must be at most 49d'],
    ['condition: 5', 'must be text'],
    ['script: ""', 'must not be empty'],
    ['timeout: 5', 'is not a known key'],
    ['conditon: x', 'is not a known key; did you mean "condition"?'],
  ])('refuses %s', (line, message) => {
    const [key] = line.split(':');
    const script = key === 'script' ? '' : ', script: x';
    expect(problems(nlmon(`{ name: a${script}, ${line} }`))).toEqual([
      expect.stringMatching(new RegExp(`^4:\\d+ /nlmon/integration/hooks/0/${key} ${message.replaceAll('?', '\\?')}$`)),
    ]);
  });

  it('tells every problem of an entry at once', () => {
    const entry = '{ name: a/b, script: 5, condition: "x ==", timeout_ms: 9000000000, async: no, typo: 1 }';
    expect(problems(nlmon(entry)).map((text) => text.split(' ').slice(1).join(' '))).toEqual([
      expect.stringContaining('/typo is not a known key'),
      expect.stringContaining('/name "a/b" is not allowed'),
      expect.stringContaining('/script must be text'),
      expect.stringContaining('/async must be true or false'),
      expect.stringContaining('/condition unknown field x'),
      expect.stringContaining('/condition unexpected end'),
      expect.stringContaining('/timeout_ms must be at most 49d'),
    ]);
  });

  it.each(['5', 'text', '[]', '~'])('refuses the entry %s', (entry) => {
    expect(problems(nlmon(entry))).toEqual(['4:9 /nlmon/integration/hooks/0 must be a map']);
  });

  it('may have an empty list, and keys that concern other parts', () => {
    expect(read('nlmon: { integration: { hooks: [] }, core: { buffer_size: 1MB } }').hooks).toEqual([]);
    expect(read('nlmon: { integration: { hooks: } }')).toEqual({ hooks: [], refused: [], warnings: [] });
  });

  it('warns at the place in its condition', () => {
    const { hooks, warnings } = read(nlmon('{ name: a, script: x, condition: "NOT interface" }'));
    expect(hooks).toHaveLength(1);
    expect(warnings).toMatchObject([{ line: 4, column: 47, path: '/nlmon/integration/hooks/0/condition' }]);
  });

  it('leaves a problem that no key of its own caused where it is', () => {
    expect(nlmonPath({ path: '/actions/0/type', message: 'x' }).path).toBe('/actions/0/type');
    expect(nlmonPath({ path: '/condition', message: 'x' }).path).toBe('/condition');
  });
});

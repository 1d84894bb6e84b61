import * as fc from 'fast-check';
import { RE2JS } from 're2js';
import { describe, expect, it } from 'vitest';
import { compilePattern } from '../../../../core/filter/pattern.ts';
import { matches } from './kit.ts';

describe('N8: regular expressions', () => {
  it.each([
    ['veth.*', ['veth0', 'xveth', 'veth'], ['eth0', 'VETH0', '']],
    ['^eth', ['eth0', 'eth'], ['veth0', '\neth']],
    ['0$', ['eth0'], ['eth01', 'eth0\n']],
    ['^eth0$', ['eth0'], ['eth00', 'veth0']],
    ['^.*0', ['eth0'], ['a\n0']],
    ['a.*$', ['ab'], ['a\nb']],
    ['', ['', 'x'], []],
    ['^$', [''], ['x']],
    ['.*', ['', '\n'], []],
    ['lo|eth0', ['lo', 'eth01'], ['l', 'eth']],
    ['^(lo|eth0)$', ['lo', 'eth0'], ['lo0', 'eth']],
    ['^lo|0$', ['lo1', 'eth0'], ['xlo', '0x']],
    ['(?:veth|cali).*', ['veth1', 'xcali'], ['eth']],
    ['(veth|cali)[0-9a-f]+', ['veth0a', 'califf'], ['vethx', 'eth0']],
    [String.raw`eth0\.10`, ['eth0.10'], ['eth0x10']],
    [String.raw`a\|b|c`, ['a|b', 'c'], ['a', 'b']],
    [String.raw`\d{2}`, ['eth10'], ['eth1', '٣٣']],
    ['(?i)VETH', ['veth0', 'VeTh'], ['eth']],
    ['[[:alpha:]]', ['a'], ['1']],
    [String.raw`^\pL+$`, ['äß'], ['a1']],
    ['^.$', ['a', 'é', '😀'], ['ab', '', '\n']],
    [String.raw`\Qa|b\E`, ['a|b'], ['a', 'b']],
    ['😀', ['a😀'], ['\ud83d']],
    ['1|2|3|4|5|6|7|8|9', ['x9'], ['x']],
    ['1|2|3|4', ['x4'], ['x']],
  ])('N8: %s finds what RE2 finds', (pattern, found, missed) => {
    const test = compilePattern(pattern);
    for (const text of found) expect(test(text), text).toBe(true);
    for (const text of missed) expect(test(text), text).toBe(false);
  });

  it('N8: =~ and !~ search anywhere and are both false for what is no string', () => {
    expect(matches("interface =~ 'veth.*'", { interface: 'veth0' })).toBe(true);
    expect(matches("interface =~ 'veth.*'", { interface: 'eth0' })).toBe(false);
    expect(matches("interface !~ 'veth.*'", { interface: 'eth0' })).toBe(true);
    expect(matches("interface !~ 'veth.*'", { interface: 'veth0' })).toBe(false);
    expect(matches("'veth0' =~ 'veth.*'")).toBe(true);
    for (const left of ['message_type', '16', 'netlink.link.ifname', '(1 == 1)', 'netlink.link.mtu']) {
      expect(matches(`${left} =~ ''`, { message_type: 16 })).toBe(false);
      expect(matches(`${left} !~ 'x'`, { message_type: 16 })).toBe(false);
      expect(matches(`NOT ${left} !~ 'x'`, { message_type: 16 })).toBe(true);
    }
  });

  it('N8: answers as the regular expression does where a string search is used instead', () => {
    const piece = fc.constantFrom(
      'a',
      'b',
      '.*',
      '.*?',
      '|',
      '^',
      '$',
      '(',
      '(?:',
      ')',
      String.raw`\.`,
      String.raw`\|`,
      '.',
      '\n',
      'é',
      '\\',
      '[ab]',
      '+',
      '?',
      '*',
      '{2}',
      '{0}',
      '😀',
      '(a|b)',
      String.raw`\pL`,
    );
    const pattern = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(''));
    const framed = fc
      .tuple(
        fc.constantFrom('', '^', '.*'),
        fc.array(fc.constantFrom('a', 'b', 'ab', '', String.raw`\.`), { maxLength: 4 }),
        fc.constantFrom('', '$', '.*', '$.*', '.*$', '[ab]', '[ab]+$', '?b', '{2}.', '(a)*', '|b', '[^a]{1,2}', '+'),
      )
      .map(([before, words, after]) => `${before}(${words.join('|')})${after}`);
    const text = fc
      .array(fc.constantFrom('a', 'b', '.', '|', '\n', 'é', '\\', '\r', '😀'), { maxLength: 6 })
      .map((pieces) => pieces.join(''));
    fc.assert(
      fc.property(fc.oneof(pattern, framed), fc.array(text, { minLength: 1, maxLength: 8 }), (source, texts) => {
        const expected = outcome(
          () => RE2JS.compile(source),
          (regular, value) => regular.test(value),
          texts,
        );
        expect(
          outcome(
            () => compilePattern(source),
            (test, value) => test(value),
            texts,
          ),
        ).toEqual(expected);
      }),
      { numRuns: 20_000 },
    );
  });

  it.each([
    ['(a{1,90})'.repeat(6_000)],
    ['((a{900}){900}){900}'],
    ['[[:alpha:]]{1000}{3}'],
    [`(?i)${'abc'.repeat(20_000)}`],
    [String.raw`\Q` + '('.repeat(3_000)],
    ['[a-f]+x'.repeat(1_000)],
  ])('N8: refuses a program that is too large without making it: %.20s', (pattern) => {
    const from = performance.now();
    expect(() => compilePattern(pattern)).toThrow(/too large|repeat count/);
    expect(performance.now() - from).toBeLessThan(500);
  });

  it('N8: takes a program that is not too large, and any number of plain alternatives', () => {
    for (const pattern of [
      '[0-9a-f]{64}',
      '.{1000}',
      String.raw`(\pL|[^]x]{3}){100}`,
      String.raw`\x{1F600}{2}a{,5}\Q{9}\E`,
    ])
      expect(() => compilePattern(pattern), pattern).not.toThrow();
    const many = compilePattern(Array.from({ length: 5_000 }, (_, index) => `veth${index}x`).join('|'));
    expect([many('a veth4999x'), many('veth5000x')]).toEqual([true, false]);
  });

  it('N8: takes time linear in the text', () => {
    const test = compilePattern('(a+)+$');
    const from = performance.now();
    expect(test('a'.repeat(100_000) + 'b')).toBe(false);
    expect(performance.now() - from).toBeLessThan(1_000);
  });
});

function outcome<T>(
  compile: () => T,
  test: (compiled: T, text: string) => boolean,
  texts: readonly string[],
): readonly boolean[] | 'refused' {
  let compiled: T;
  try {
    compiled = compile();
  } catch {
    return 'refused';
  }
  return texts.map((text) => test(compiled, text));
}

import { describe, expect, it } from 'vitest';

import { FilterError, FIELDS, loadCel } from '#core';

import { eventWith, type Values } from '../filter/kit.ts';

const compile = await loadCel();

const LINK = {
  interface: 'veth0',
  message_type: 16,
  'netlink.link.mtu': 1500,
  'netlink.link.kind': 'veth',
  'netlink.resynced': true,
};

const explained = (text: string, values: Values = LINK) => compile(text).explain(eventWith(values));

function holds(text: string, values: Values = LINK): boolean {
  const { value } = explained(text, values);
  expect(compile(text).matches(eventWith(values))).toBe(value);
  return value;
}

function refusal(text: string): FilterError {
  try {
    compile(text);
  } catch (error) {
    if (error instanceof FilterError) return error;
    throw error;
  }
  throw new Error(`accepted: ${text}`);
}

describe('CEL', () => {
  it.each([
    'event.netlink.link.mtu < 9000',
    'event.interface == "veth0" && event.message_type in [16, 17]',
    'event.netlink.resynced',
    '!event.netlink.resynced || event.interface.startsWith("veth")',
    'event.netlink.link.mtu == 1500 ? event.interface.endsWith("0") : false',
    '-event.message_type == -16 && event.message_type % 3 == 1 && event.message_type * 2 - 2 == 15 + 15',
    'event.interface + ":" + event.netlink.link.kind == "veth0:veth"',
    'size(event.interface) == 5 && event.interface.size() == 5',
    'event.interface.upperAscii() == "VETH0" && " a ".trim() == "a"',
    'int("16") == event.message_type && string(event.message_type) == "16" && bool("true")',
    '["veth", "cali"].exists(prefix, event.interface.startsWith(prefix))',
    '["v", "e"].all(part, event.interface.contains(part)) && [1, 2].exists_one(n, n == 2)',
    '[1, 2, 3].map(n, n * 8).filter(n, n == event.message_type).size() == 1',
    '[event.interface, "x"][0] == "veth0"',
    'event.namespace == ""',
  ])('holds: %s', (text) => {
    expect(holds(text)).toBe(true);
    expect(holds(`!(${text})`)).toBe(false);
  });

  it('has every field of conditions under its name and with its type', () => {
    for (const { name, type } of FIELDS.values()) {
      const [value, literal] = { string: ['x', '"x"'], number: [7, '7'], boolean: [true, 'true'] }[type] as [
        never,
        string,
      ];
      expect(holds(`event.${name} == ${literal}`, { [name]: value }), name).toBe(true);
      expect(holds(`event . ${name.replaceAll('.', ' . ')} != ${literal}`, { [name]: value }), name).toBe(false);
    }
  });

  it('has whole numbers as int, beyond 2^53 too, and orders them with doubles', () => {
    expect(holds('event.netlink.link.mtu == 9007199254740993', { 'netlink.link.mtu': 2n ** 53n + 1n })).toBe(true);
    expect(holds('event.netlink.link.mtu == 9007199254740992', { 'netlink.link.mtu': 2n ** 53n + 1n })).toBe(false);
    expect(holds('event.netlink.link.mtu > 1499.5 && double(event.netlink.link.mtu) == 1500.0')).toBe(true);
    expect(refusal('event.netlink.link.mtu == 1500.0').message).toContain('no such overload: int == double');
    expect(explained('event.netlink.link.mtu < 2', { 'netlink.link.mtu': 1.5 })).toMatchObject({
      value: false,
      failed: 'netlink.link.mtu is no int',
    });
  });

  it('is false where a field is absent, negated too, unless || or has() has another answer', () => {
    expect(explained('event.netlink.link.mtu < 9000', {})).toEqual({
      text: 'event.netlink.link.mtu < 9000',
      value: false,
      actual: 'netlink.link.mtu is absent',
      failed: 'netlink.link.mtu is absent',
      children: [],
    });
    expect(holds('!(event.netlink.link.mtu < 9000)', {})).toBe(false);
    expect(holds('event.netlink.link.mtu < 9000 || event.message_type == 0', {})).toBe(true);
    expect(holds('event.message_type == 0 || event.netlink.link.mtu < 9000', {})).toBe(true);
    expect(holds('has(event.netlink.link.mtu)')).toBe(true);
    expect(holds('!has(event.netlink.link.mtu) && !has(event.netlink.resynced)', {})).toBe(true);
  });

  it('is false where evaluating fails, and says why', () => {
    expect(explained('event.message_type / 0 == 1').failed).toBe('division by zero');
    expect(explained('int(event.interface) == 1').failed).toContain('cannot convert to int');
    expect(explained('[1][event.message_type] == 1').value).toBe(false);
    expect(explained('event.message_type == 16').failed).toBeUndefined();
  });

  it.each([
    '-(-9223372036854775807 - 1) > 0',
    '--9223372036854775808 > 0',
    '(-9223372036854775807 - 1) / -1 > 0',
    '9223372036854775807 + 1 > 0',
    '[-9223372036854775808].exists(n, -n > 0)',
    'int(1e30) > 0',
    'int(9.3e18) > 0',
    'int(-9223372036854775808.0) < 0',
    'int(0.0 / 0.0) == 0',
  ])('fails where an int would not have 64 bits: %s', (text) => {
    const { value, failed } = explained(text);
    expect({ value, failed }).toEqual({ value: false, failed: expect.stringMatching(/^integer overflow/) });
  });

  it('has the least and the greatest int', () => {
    expect(holds('-9223372036854775808 < -9223372036854775807 && - 0x8000000000000000 + 1 < 0')).toBe(true);
    expect(holds('int("-9223372036854775808") + 9223372036854775807 == -1 && int(-9.2e18) < int("+7")')).toBe(true);
    expect(explained('event.netlink.link.mtu > 0', { 'netlink.link.mtu': 2n ** 63n }).failed).toBe(
      'netlink.link.mtu is no int',
    );
  });

  it.each(['', ' 1', '0x1', '0b1', 'x', '9223372036854775808'])('makes no int of the text "%s"', (text) => {
    const { value, failed } = explained(`int(${JSON.stringify(text)}) >= 0`);
    expect({ value, failed }).toEqual({ value: false, failed: 'int() type error: cannot convert to int' });
  });

  it('changes A to Z alone, up and down', () => {
    expect(holds('"ÉZ\u212A".lowerAscii() == "Éz\u212A" && "ßaé".upperAscii() == "ßAé"')).toBe(true);
    expect(holds('event.interface.upperAscii().lowerAscii() == event.interface')).toBe(true);
    expect(holds('[].exists(x, x.lowerAscii() == "" || int(x) == 1)')).toBe(false);
  });

  it('warns of fields that no source sets', () => {
    expect(compile('true ||\n event.netlink.ct.mark == 1').warnings).toEqual([
      { offset: 9, line: 2, column: 2, message: 'no source sets netlink.ct.mark: it is always absent' },
    ]);
  });
});

describe('CEL is refused when it is loaded', () => {
  it.each([
    ['event.interfce == "x"', 0, 'unknown field interfce (did you mean interface?)'],
    ['true && event.netlink.link.mtuu == 1', 8, 'did you mean netlink.link.mtu?'],
    ['event.Interface == "x"', 0, 'did you mean interface?'],
    ['has(event.netlink.link)', 4, 'unknown field netlink.link'],
    ['evnt.interface == "x"', 0, 'unknown name evnt (did you mean event?)'],
    ['event == event', 0, 'event stands alone'],
    ['event["interface"] == "x"', 0, 'event stands alone'],
    ['has(true)', 4, 'has() of what is no field'],
    ['event.interface == 1', 0, 'no such overload: string == int'],
    ['event.message_type in ["a"]', 0, 'no such overload'],
    ['event.interface && true', 0, 'requires bool'],
    ['event.interface', 0, 'the result is of type string'],
    ['1 + 1', 0, 'the result is of type int'],
    ['event.message_type.matches("a")', 0, 'int.matches'],
    ['event.message_type.lowerAscii() == "a"', 0, 'no such overload: int.lowerAscii()'],
    ['int(true) == 1', 0, 'no such overload: int(bool)'],
    ['int(event.interfce) == 1', 4, 'did you mean interface?'],
    ['1 < 9223372036854775808', 4, '9223372036854775808 is no int'],
    ['1 -9223372036854775808 < 0', 3, '9223372036854775808 is no int'],
    ['-9223372036854775809 < 0', 1, '9223372036854775809 is no int'],
    ['event.interface.matches("(")', 24, 'bad pattern: missing closing )'],
    ['event.interface.matches("(?=a)")', 24, 'look-around'],
    ['event.interface.matches(event.namespace)', 24, 'no literal'],
    ['event.interface.split(",").size() == 1', 0, 'unknown function split'],
    ['event.interface.startWith("x")', 0, 'did you mean startsWith?'],
    ['cel.bind(x, 1, x == 1)', 0, 'unknown function bind'],
    ['timestamp("2020-01-01T00:00:00Z") < timestamp(1)', 0, 'unknown function timestamp'],
    ['["a"].all(event, true)', 0, 'event is the event'],
    ['b"a" == b"a"', 0, 'literal that no field compares with'],
    ['null == null', 0, 'literal that no field compares with'],
    ['{"a": 1}.size() == 1', 1, 'maxMapEntries'],
    ['[[1]].exists(x, x == [1])', 0, 'a list of lists'],
    ['event.interface == "x', 19, 'unterminated string'],
    ['true &&\n  ', 10, 'unexpected token: EOF'],
    ['!'.repeat(16_000) + 'true', 0, 'nested too deeply'],
    ['('.repeat(8_000), 50, 'maxDepth'],
    ['true || '.repeat(1_000) + 'true', undefined, 'maxAstNodes'],
    [`"${'x'.repeat(17_000)}" == "x"`, 0, 'expression has 17009 bytes'],
  ])('%.40s', (text, offset, message) => {
    const error = refusal(text);
    if (offset !== undefined) expect(error.offset).toBe(offset);
    expect(error.message).toContain(message);
    expect(error.caret).toMatch(/\n[ \t]*\^+$/);
  });

  it('with all unknown names at once, with line and column', () => {
    const { all, line, column } = refusal('event.message_type == 16 &&\n  event.foo == 1 &&\n  event.bar == "x"');
    expect({ line, column }).toEqual({ line: 2, column: 3 });
    expect(all.map(({ message }) => message)).toEqual(['unknown field foo', 'unknown field bar']);
  });
});

describe('what CEL costs', () => {
  const numbers = (count: number) => `[${Array.from({ length: count }, (_, index) => index).join(', ')}]`;

  it('is bounded by its steps before it runs', () => {
    expect(holds(`${numbers(20)}.exists(a, ${numbers(20)}.exists(b, a + b == 38))`)).toBe(true);
    expect(refusal(`${numbers(90)}.exists(a, ${numbers(90)}.exists(b, a == b))`).message).toMatch(
      /takes up to \d+ steps at line 1, column 1; expected at most 5000/,
    );
    const mapped = `(${numbers(60)}.map(a, a) + ${numbers(60)}.filter(a, true)).all(a, ${numbers(60)}.all(b, true))`;
    expect(refusal(mapped).message).toContain('steps');
  });

  it('is bounded by the text that it reads or makes, also where an operator would swallow the failure', () => {
    const long = { ...LINK, interface: 'x'.repeat(200_000) };
    expect(holds('event.interface.startsWith("x")', long)).toBe(true);
    for (const text of [
      'event.interface == "" || event.interface == "x"',
      'event.interface + "x" == "" || true',
      '[1, 2, 3].exists(n, event.interface.contains("y")) || true',
      'event.interface.matches("x")',
      'event.interface.upperAscii() == "" || true',
    ]) {
      expect(explained(text, long)).toMatchObject({
        value: false,
        failed: 'more than 262144 characters were read or made',
      });
      expect(holds('event.message_type == 16', long)).toBe(true);
    }
  });

  it('matches in time linear in the text', () => {
    const text = 'event.netlink.link.kind.matches("(a+)+$")';
    const from = performance.now();
    expect(holds(text, { 'netlink.link.kind': 'a'.repeat(28) + 'b' })).toBe(false);
    expect(holds(text, { 'netlink.link.kind': 'a'.repeat(14_000) + 'b' })).toBe(false);
    expect(holds(text, { 'netlink.link.kind': 'a'.repeat(14_000) })).toBe(true);
    expect(performance.now() - from).toBeLessThan(500);
  });

  it('is never evaluated for long, whatever it is', () => {
    const nested = (step: string) => `${numbers(18)}.exists(a, ${numbers(18)}.exists(b, ${step}))`;
    const worst = [
      nested('a + b == 99'),
      nested('1 / 0 == a'),
      nested('int(event.interface) == a'),
      nested('event.netlink.route.gateway == "x"'),
      nested('(event.interface + event.interface).contains(event.interface + "y")'),
      nested('event.interface.matches("(x+x+)+y")'),
      nested('event.interface.upperAscii() == "y"'),
      nested('int(1e30) == a'),
      `${' '.repeat(14_500)}${numbers(300)}.exists(a, a / 0 == 1)`,
    ];
    for (const text of worst) {
      const condition = compile(text);
      for (const length of [5, 300, 15_000, 60_000, 500_000]) {
        const event = eventWith({ interface: 'x'.repeat(length) });
        const times = Array.from({ length: 9 }, () => {
          const from = performance.now();
          condition.matches(event);
          return performance.now() - from;
        });
        expect(times.toSorted((a, b) => a - b)[4], `${text.trim()} ${length}`).toBeLessThan(50);
      }
    }
  });
});

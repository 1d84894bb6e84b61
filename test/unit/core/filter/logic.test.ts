import { inspect } from 'node:util';

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileCondition } from '../../../../core/filter/index.ts';
import { eventWith } from './kit.ts';
import { evaluate } from './reference.ts';

const TEXTS = ['', 'a', 'b', 'veth0', 'eth0', 'é', '\uffff', '😀', "it's", '1'] as const;
const PATTERNS = ['veth.*', '^eth', '0$', '^(a|b)$', 'a|eth', '[0-9]+', '^.$', '(v|)eth[0-9]', ''] as const;
const NUMBERS = [0, 1, 2, 16, 17, 2 ** 53] as const;
const FIELDS = [
  'interface',
  'NAMESPACE',
  'message_type',
  'Event_Type',
  'netlink.link.ifname',
  'netlink.link.mtu',
  'netlink.link.flags',
  'netlink.resynced',
  'netlink.ct.mark',
];

const text = fc.constantFrom(...TEXTS);
const numeric = fc.oneof(fc.constantFrom(...NUMBERS), fc.constantFrom(2n, 2n ** 53n + 1n, 2n ** 63n - 1n));
const anyCase = (word: string) =>
  fc.constantFrom(word, word.toLowerCase(), `${word[0] ?? ''}${word.slice(1).toLowerCase()}`);

const literal = fc.oneof(
  text.map((value) => `'${value.replaceAll("'", String.raw`\'`)}'`),
  text.map((value) => `"${value}"`),
  fc.constantFrom('0', '1', '016', '17', '9007199254740993', '99999999999999999999'),
);
const simple = fc.oneof(fc.constantFrom(...FIELDS), literal);

/** Correct conditions of every kind. */
const { condition } = fc.letrec<{ condition: string; operand: string; comparison: string }>((tie) => ({
  operand: fc.oneof(
    { maxDepth: 3 },
    { arbitrary: simple, weight: 6 },
    tie('condition').map((inner) => `(${inner})`),
  ),
  comparison: fc.oneof(
    {
      arbitrary: fc
        .tuple(tie('operand'), fc.constantFrom('==', '!=', '<', '<=', '>', '>='), tie('operand'))
        .map((parts) => parts.join(' ')),
      weight: 5,
    },
    {
      arbitrary: fc
        .tuple(tie('operand'), fc.constantFrom(' =~ ', '!~'), fc.constantFrom(...PATTERNS))
        .map(([left, sign, pattern]) => `${left}${sign}'${pattern}'`),
      weight: 2,
    },
    {
      arbitrary: fc
        .tuple(tie('operand'), anyCase('IN'), fc.array(simple, { maxLength: 4 }), fc.constantFrom(' ', ', '))
        .map(([left, sign, items, comma]) => `${left} ${sign} [${items.join(comma)}]`),
      weight: 2,
    },
    tie('operand'),
  ),
  condition: fc.oneof(
    { maxDepth: 4 },
    tie('comparison'),
    fc.tuple(anyCase('NOT'), tie('condition')).map((parts) => parts.join(' ')),
    fc
      .tuple(tie('condition'), fc.oneof(anyCase('AND'), anyCase('OR')), tie('condition'))
      .map((parts) => parts.join(' ')),
  ),
}));

const values = fc.record(
  {
    interface: text,
    namespace: text,
    message_type: fc.constantFrom(...NUMBERS),
    event_type: fc.constantFrom(...NUMBERS),
    'netlink.link.ifname': text,
    'netlink.link.mtu': numeric,
    'netlink.link.flags': numeric,
    'netlink.resynced': fc.boolean(),
  },
  { requiredKeys: ['interface', 'namespace', 'message_type', 'event_type'] },
);

/** 10^5 cases: so many conditions, each asked for ten events. PROPERTY_CONDITIONS=100000 for a long run. */
const CONDITIONS = Number(process.env['PROPERTY_CONDITIONS'] ?? 10_000);
const events = fc.array(values, { minLength: 10, maxLength: 10 });

describe('N9: AND, OR and NOT', () => {
  it(
    'N9: agrees with an independent evaluator, and its explanation with itself',
    () => {
      let held = 0;
      fc.assert(
        fc.property(condition, events, (source, all) => {
          const compiled = compileCondition(source);
          for (const [index, given] of all.entries()) {
            const event = eventWith(given);
            const expected = evaluate(source, given);
            if (expected) held++;
            if (compiled.matches(event) !== expected) throw new Error(`not ${expected} for ${inspect(given)}`);
            if (index === 0) expect(compiled.explain(event).value).toBe(expected);
          }
        }),
        { numRuns: CONDITIONS },
      );
      expect(held).toBeGreaterThan(CONDITIONS);
    },
    20_000 + CONDITIONS * 2,
  );
});

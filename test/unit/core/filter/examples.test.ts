import { describe, expect, it } from 'vitest';
import { compileCondition } from '../../../../core/filter/index.ts';
import { eventWith } from './kit.ts';

/** What a kernel tells while a veth pair comes and goes beside a fixed card. */
const CORPUS = {
  'veth added': { interface: 'veth0a', message_type: 16, event_type: 1 },
  'veth removed': { interface: 'veth0a', message_type: 17, event_type: 1 },
  'card down': { interface: 'eth0', message_type: 16, event_type: 1 },
  'card removed': { interface: 'eth0', message_type: 17, event_type: 1 },
  'address on veth': { interface: 'veth0a', message_type: 20, event_type: 2 },
  'address off card': { interface: 'eth0', message_type: 21, event_type: 2 },
  'route without device': { interface: '', message_type: 24, event_type: 3 },
  'route over veth': { interface: 'veth0a', message_type: 25, event_type: 3 },
  'neighbour on card': { interface: 'eth0', message_type: 28, event_type: 4 },
  rule: { interface: '', message_type: 32, event_type: 5 },
  'pod event': { interface: '', message_type: 0, event_type: 0 },
} as const;

function matching(text: string): string[] {
  const condition = compileCondition(text);
  return Object.entries(CORPUS).flatMap(([name, values]) => (condition.matches(eventWith(values)) ? [name] : []));
}

describe('N11: the documented conditions', () => {
  it.each([
    ['message_type == 17', ['veth removed', 'card removed']],
    ["interface =~ 'veth.*'", ['veth added', 'veth removed', 'address on veth', 'route over veth']],
    ["interface == 'eth0'", ['card down', 'card removed', 'address off card', 'neighbour on card']],
    [
      "(interface =~ 'veth.*' AND message_type == 16) OR event_type == 1",
      ['veth added', 'veth removed', 'card down', 'card removed'],
    ],
    [
      'message_type IN [16, 17, 20, 21]',
      ['veth added', 'veth removed', 'card down', 'card removed', 'address on veth', 'address off card'],
    ],
  ])('N11: %s matches exactly its events', (text, expected) => {
    expect(matching(text)).toEqual(expected);
    expect(compileCondition(text).warnings).toEqual([]);
  });

  it('N12: an empty condition matches every event', () => {
    expect(matching('')).toEqual(Object.keys(CORPUS));
    expect(compileCondition('').explain(eventWith({}))).toEqual({ text: '', value: true, children: [] });
  });
});

import { describe, expect, it } from 'vitest';
import { caret, compileCondition } from '../../../../core/filter/index.ts';
import { eventWith, type Values } from './kit.ts';

const explained = (text: string, values: Values = {}) => compileCondition(text).explain(eventWith(values));

describe('explanations', () => {
  it('gives each part its text, its value and what the event has', () => {
    expect(
      explained("(interface =~ 'veth.*' AND message_type == 17) OR NOT netlink.link.mtu > 9000", {
        interface: 'veth0',
        message_type: 16,
      }),
    ).toEqual({
      text: "(interface =~ 'veth.*' AND message_type == 17) OR NOT netlink.link.mtu > 9000",
      value: true,
      children: [
        {
          text: "interface =~ 'veth.*' AND message_type == 17",
          value: false,
          children: [
            { text: "interface =~ 'veth.*'", value: true, actual: "interface is 'veth0'", children: [] },
            { text: 'message_type == 17', value: false, actual: 'message_type is 16', children: [] },
          ],
        },
        {
          text: 'NOT netlink.link.mtu > 9000',
          value: true,
          children: [
            { text: 'netlink.link.mtu > 9000', value: false, actual: 'netlink.link.mtu is absent', children: [] },
          ],
        },
      ],
    });
  });

  it('shows every field of a comparison, and what is compared inside parentheses as parts', () => {
    expect(explained('sequence IN [1, event_type]').actual).toBe('sequence is 1, event_type is 0');
    expect(explained('(1 == 1) == (sequence == 2)')).toEqual({
      text: '(1 == 1) == (sequence == 2)',
      value: false,
      children: [
        { text: '1 == 1', value: true, children: [] },
        { text: 'sequence == 2', value: false, actual: 'sequence is 1', children: [] },
      ],
    });
    expect(explained('netlink.resynced', { 'netlink.resynced': true })).toMatchObject({
      value: true,
      actual: 'netlink.resynced is true',
    });
  });

  it('lets no text of an event steer a terminal', () => {
    expect(explained("interface == 'x'", { interface: "\u001b[31m'\u202e" }).actual).toBe(
      String.raw`interface is '` + '\ufffd[31m' + String.raw`\'` + "\ufffd'",
    );
  });
});

describe('warnings', () => {
  const warnings = (text: string) => compileCondition(text).warnings.map(({ offset, message }) => [offset, message]);

  it.each([
    ['interface', 0, 'bare field'],
    ['NOT (interface)', 5, 'bare field'],
    ["sequence == 1 AND\n'x'", 18, 'bare literal'],
    ['16 OR sequence == 1', 0, 'bare literal'],
    ['(interface OR 1 == 1) == (1 == 1)', 1, 'bare field'],
    ['netlink.diag.uid == 0', 0, 'no source sets netlink.diag.uid'],
    ["sequence == 1 OR netlink.ct.src_addr =~ 'a'", 17, 'no source sets'],
    ['netlink.nl80211.cmd IN [1]', 0, 'no source sets'],
    ['sequence IN [netlink.qca.subcmd]', 13, 'no source sets'],
    ['netlink.genl_cmd == 1', 0, 'no source sets'],
    ["message_type == 'RTM_NEWLINK'", 0, 'always false'],
    ["message_type =~ '16'", 0, 'always false'],
    ["message_type IN [16, '17']", 21, 'never found'],
    ['(1 == 1) < (1 == 2)', 0, 'truth values'],
  ])('warns of %j', (text, offset, message) => {
    expect(warnings(text)).toEqual([[offset, expect.stringContaining(message)]]);
  });

  it('gives line and column', () => {
    expect(compileCondition('1 == 1 AND\n  interface').warnings).toMatchObject([{ offset: 13, line: 2, column: 3 }]);
  });

  it('is silent about what is well', () => {
    for (const text of [
      '',
      'netlink.resynced',
      "(interface) == 'lo'",
      "NOT netlink.link.mtu > 1 AND namespace IN ['' interface]",
      '(1 == 1) == netlink.resynced',
    ]) {
      expect(warnings(text)).toEqual([]);
    }
  });
});

describe('caret', () => {
  it('marks the place under its line', () => {
    expect(caret('interface ==', 12)).toBe('interface ==\n            ^');
    expect(caret('a\r\n\tbc d\r\ne', 4, 2)).toBe('\tbc d\n\t^^');
    expect(caret('', 0)).toBe('\n^');
    expect(caret('\na', 0)).toBe('\n^');
  });

  it('never marks beyond the line, and cuts long lines', () => {
    expect(caret('ab\ncd', 1, 10)).toBe('ab\n ^');
    const [line = '', mark = ''] = caret(`${'x'.repeat(500)}!${'y'.repeat(500)}`, 500).split('\n');
    expect(line.length).toBeLessThan(130);
    expect(line[mark.indexOf('^')]).toBe('!');
  });

  it('replaces control characters', () => {
    expect(caret("'\u001b[0m\u202e'", 1)).toBe("'\ufffd[0m\ufffd'\n ^");
  });
});

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import { loadAddon } from '../../native/addon.ts';
import { COLUMNS, Rows } from '../../native/rows.ts';

const ADDON = fileURLToPath(new URL('../../native/build/Release/trotline.node', import.meta.url));
const missing = existsSync(ADDON) ? null : 'the native addon was not built';
if (missing !== null) console.warn(`layout tests are skipped: ${missing}`);

/** `Column` of `native/src/records.hh`. */
const HEADER = {
  kind: 0,
  present: 1,
  netns: 2,
  messageType: 3,
  messageFlags: 4,
  messageSequence: 5,
  messagePid: 6,
  dump: 7,
};
const PAYLOAD = 8;
/** In the order of `Kind`, whose payloads `layout()` names. */
const KINDS = ['link', 'address', 'route', 'neighbour', 'rule', 'netns'] as const;
const CHANGES = ['found', 'named', 'gone', 'listed'];

/** A record whose every cell holds its own column, and is also the place of a text that says so. */
function coded(kind: number, present: number): Readonly<Record<string, unknown>> {
  const rows = new Rows(2);
  for (let column = 0; column < 2 * COLUMNS; column++) rows.cells[column] = column % COLUMNS;
  for (let text = 0; text < COLUMNS; text++) rows.strings.push(`text ${text}`);
  rows.cells[COLUMNS + HEADER.kind] = kind;
  rows.cells[COLUMNS + HEADER.present] = present;
  return { ...rows.record(1) };
}

describe.skipIf(missing !== null).each(KINDS)('a record of kind %s', (kind) => {
  const number = KINDS.indexOf(kind);
  const columns = (missing === null ? (loadAddon().layout()[number] ?? []) : []).map((column) => column.split(' '));
  const names = columns.map(([name = '']) => name);
  const texts = new Set(columns.filter(([, type]) => type === 'text').map(([name]) => name));
  const headed =
    kind === 'netns' ? ['netns'] : ['netns', 'messageType', 'messageFlags', 'messageSequence', 'messagePid', 'dump'];

  it('has every property of the addon, each read from its own place as what it is', () => {
    const { kind: named, ...record } = coded(number, -1);
    expect(named).toBe(kind);
    const header = Object.entries(HEADER).filter(([name]) => headed.includes(name));
    const payload = names.map((name, place) => [name, PAYLOAD + place] as const);
    expect(Object.keys(record).toSorted()).toEqual([...header, ...payload].map(([name]) => name).toSorted());
    for (const [name, column] of [...header, ...payload]) {
      // What happened to a namespace is a word; its column is none of the four.
      const change = name === 'change' && kind === 'netns' ? (CHANGES[column] ?? 'listed') : null;
      const value = change ?? (texts.has(name) ? `text ${column}` : column);
      expect(record[name], `${name} is read from column ${column}`).toBe(value);
    }
  });

  it('has null, and nothing else, where the message did not carry it', () => {
    const always = coded(number, 0);
    for (const [place, name] of names.entries()) {
      const others = coded(number, ~(1 << place));
      if (always[name] === null) expect(others[name], name).toBeNull();
      for (const other of names) if (other !== name) expect(others[other], `${other} without ${name}`).not.toBeNull();
    }
  });
});

describe.skipIf(missing !== null)('the layout', () => {
  it('names the payload of every kind that has one, within the room of a row', () => {
    const layout = loadAddon().layout();
    expect(layout).toHaveLength(KINDS.length);
    for (const names of layout) expect(names.length).toBeLessThanOrEqual(COLUMNS - PAYLOAD);
  });
});

import { describe, expect, it } from 'vitest';

import { Elsewhere, laterWriter } from '../../../../control-plane/kubernetes/elsewhere.ts';
import { virtualClock } from '../../../kit/replay/virtual-clock.ts';

const MINUTE = 60_000;
const entry = (manager: string, time: string, fields: object = { 'f:status': {} }) => ({
  manager,
  time: `2026-01-01T00:00:${time}Z`,
  fieldsV1: fields,
});
const OWN = entry('trotline', '10');

describe('another program that writes the status of a Hook', () => {
  it.each([
    ['khook', [OWN, entry('khook', '11')]],
    ['newer', [OWN, entry('khook', '11'), entry('newer', '12')]],
    ['', [OWN, entry('khook', '09')]],
    ['', [OWN, entry('khook', '10')]],
    ['', [OWN, entry('kubectl', '11', { 'f:spec': {} })]],
    ['', [entry('khook', '11')]],
    ['', [OWN, { manager: 7, time: null }, 'x', null]],
    ['', undefined],
  ])('is "%s" where it wrote after us', (writer, managedFields) => {
    expect(laterWriter(managedFields)).toBe(writer);
  });

  it('is remembered for ten minutes, and its status is replaced once a minute at most', () => {
    const clock = virtualClock(0);
    const elsewhere = new Elsewhere(clock);
    expect(elsewhere.read('a', 'khook')).toBe(true);
    clock.moveTo(MINUTE - 1);
    expect(elsewhere.read('a', 'khook')).toBe(false);
    clock.moveTo(MINUTE);
    expect(elsewhere.read('a', 'khook')).toBe(true);
    expect(elsewhere.read('a', '')).toBe(false);
    clock.moveTo(11 * MINUTE - 1);
    elsewhere.read('a', '');
    expect([elsewhere.writer('a'), elsewhere.writer('b')]).toEqual(['khook', '']);
    clock.moveTo(11 * MINUTE);
    elsewhere.read('a', '');
    expect(elsewhere.writer('a')).toBe('');
  });
});

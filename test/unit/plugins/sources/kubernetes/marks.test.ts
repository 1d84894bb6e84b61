import { describe, expect, it } from 'vitest';

import { changeOf, marksOf } from '../../../../../plugins/sources/kubernetes/marks.ts';

const NOW = Date.parse('2026-03-01T12:00:00Z');
const AGENTS = { managers: ['kagent'], withinMs: 3_600_000 };
const by = (metadata: Record<string, unknown>) => changeOf([marksOf(metadata)], AGENTS, NOW);
const managed = (manager: unknown, time: unknown) => by({ managedFields: [{ manager, time }] });

describe('what says that an agent changed an object', () => {
  it('is an annotation with the depth, or that of khook', () => {
    expect(by({ annotations: { 'trotline.dev/depth': '2', kagentFix: 'x' } })).toEqual({
      by: 'annotation trotline.dev/depth',
      depth: 2,
    });
    expect(by({ annotations: { kagentFix: 'true' } })).toEqual({ by: 'annotation kagentFix', depth: 1 });
    expect(by({ annotations: { kagentFix: 'false' } })).toBeNull();
  });

  it('is a field manager of agents, for a while', () => {
    expect(managed('Kagent-tools', '2026-03-01T11:30:00Z')).toEqual({ by: 'field manager Kagent-tools', depth: 1 });
    expect(managed('kagent-tools', '2026-03-01T10:00:00Z')).toBeNull();
    expect(managed('kubectl-edit', '2026-03-01T11:30:00Z')).toBeNull();
  });

  it('is the deepest of several', () => {
    const marks = [{ kagentFix: 'x' }, { 'trotline.dev/depth': '7' }, {}].map((annotations) =>
      marksOf({ annotations }),
    );
    expect(changeOf(marks, AGENTS, NOW)?.depth).toBe(7);
  });

  it.each([
    [{}],
    [{ annotations: null, managedFields: 'x' }],
    [{ annotations: { 'trotline.dev/depth': '-1' } }],
    [{ annotations: { 'trotline.dev/depth': '1.5' } }],
    [{ annotations: { 'trotline.dev/depth': 'deep', kagentFix: 7 } }],
    [{ managedFields: [null, 5, { manager: 7 }, { manager: 'kagent' }, { manager: 'kagent', time: 'soon' }] }],
  ])('is nothing of the kind in %j', (metadata) => {
    expect(by(metadata)).toBeNull();
  });

  it('has a bound', () => {
    expect(by({ annotations: { 'trotline.dev/depth': '9999999999' } })?.depth).toBe(1000);
  });
});

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { argumentsOf, parametersOf } from '../../../agent/arguments.ts';

describe('the arguments of a call as parameters', () => {
  it.each<[readonly unknown[], unknown]>([
    [[{ command: 'ls' }], { command: 'ls' }],
    [['t1', { command: 'ls' }, true], { command: 'ls', positional: ['t1', true] }],
    [['t1', 2], { positional: ['t1', 2] }],
    [[], { positional: [] }],
    [[{ a: 1 }, { b: 2 }], { positional: [{ a: 1 }, { b: 2 }] }],
    [[{ positional: 1 }], { positional: [{ positional: 1 }] }],
    [[new Date(0), [1]], { positional: [new Date(0), [1]] }],
  ])('%j are named', (args, parameters) => {
    expect(parametersOf(args)).toEqual(parameters);
  });

  it('come back as they were', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.string(), fc.integer(), fc.dictionary(fc.string(), fc.string()))), (args) => {
        expect(argumentsOf(parametersOf(args), args)).toEqual(args);
      }),
    );
  });

  it('come back rewritten, each in its place', () => {
    expect(argumentsOf({ command: 'true', positional: ['t2'] }, ['t1', { command: 'ls' }])).toEqual([
      't2',
      { command: 'true' },
    ]);
    expect(argumentsOf({ command: 'true' }, [{ command: 'ls' }])).toEqual([{ command: 'true' }]);
  });

  it.each<[Record<string, unknown>, readonly unknown[]]>([
    [{ command: 'true' }, ['t1', { command: 'ls' }]],
    [{ positional: [] }, ['t1']],
    [{ positional: 't1' }, ['t1']],
    [{ positional: ['t1'], command: 'ls' }, ['t1']],
  ])('%j does not fit %j', (rewritten, args) => {
    expect(() => argumentsOf(rewritten, args)).toThrow('the rewritten input does not fit');
  });
});

import { describe, expect, it } from 'vitest';

import { parseArguments } from '../../../core/arguments.ts';

const names = ['data', 'node'] as const;

describe('the arguments of a program', () => {
  it('are names with values, in either spelling, the last of each', () => {
    expect(parseArguments(['--data', '/a', '--node=-x', '--data=/b'], names)).toEqual({ data: '/b', node: '-x' });
    expect(parseArguments([], names)).toEqual({});
  });

  it('may ask for help', () => {
    expect(parseArguments(['--help'], names)).toBeNull();
    expect(parseArguments(['--data', '/a', '-h'], names)).toBeNull();
  });

  it.each([
    [['--dta', 'x'], 'unknown option --dta; did you mean "--data"? (see --help)'],
    [['--verbose'], 'unknown option --verbose (see --help)'],
    [['-d', 'x'], 'unknown option -d'],
    [['start'], 'unexpected "start" (see --help)'],
    [['--data'], '--data has no value (see --help)'],
    [['--data='], '--data has no value'],
    [['--data', '--node', 'x'], '--data has no value'],
  ])('that are wrong are named: %j', (argv, message) => {
    expect(() => parseArguments(argv, names)).toThrow(message);
  });
});

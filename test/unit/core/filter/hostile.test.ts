import { describe, expect, it } from 'vitest';
import { FilterError } from '../../../../core/filter/index.ts';
import { fuzz } from './fuzz.ts';
import { refusal } from './kit.ts';

/** 10^4 for each test run; FUZZ_CASES=1000000 for the long one. FUZZ_SEED repeats a run. */
const CASES = Number(process.env['FUZZ_CASES'] ?? 10_000);
const SEED = Number(process.env['FUZZ_SEED'] ?? 47);

describe('N47: hostile text', () => {
  it(
    'N47: is compiled or refused, and nothing else ever happens',
    () => {
      const { accepted, refused } = fuzz(CASES, SEED);
      expect(accepted + refused).toBe(CASES);
      expect(accepted).toBeGreaterThan(CASES / 100);
      expect(refused).toBeGreaterThan(CASES / 100);
    },
    20_000 + CASES,
  );

  it.each(['(', 'NOT ', '[', "'", '\\', 'sequence IN [', '((((1)', '9', 'a', '\0', '!', "interface =~ '("])(
    'N47: refuses a million times %j',
    (piece) => {
      const error = refusal(piece.repeat(1_000_000));
      expect(error).toBeInstanceOf(FilterError);
      expect(error.message.length + error.caret.length).toBeLessThan(10_000);
    },
  );

  it.each(['(', 'NOT ', '[', "'\\", '\\', 'sequence IN [', '9 ', 'a', '\0', '!', "interface =~ '(("])(
    'N47: refuses 60,000 characters of %j',
    (piece) => {
      const error = refusal(piece.repeat(60_000 / piece.length));
      expect(error.message.length + error.caret.length).toBeLessThan(10_000);
    },
  );

  it('N47: refuses a pattern that nests too deeply', () => {
    expect(refusal(`interface =~ '${'('.repeat(30_000)}${')'.repeat(30_000)}'`).message).toContain('bad pattern');
  });
});

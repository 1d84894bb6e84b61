import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { AppError, ConfigError, ERROR_CODES, type ErrorCode, errorText, wrapAt } from '#core';

describe('errors', () => {
  it.each(Object.entries(ERROR_CODES))('of the code %s say whether a retry can help', (code, { retryable, grpc }) => {
    expect(new AppError(code as ErrorCode, 'x').retryable).toBe(retryable);
    expect(grpc).toBeGreaterThan(0);
    expect(grpc).toBeLessThan(17);
  });

  it('carry their cause and details, or neither', () => {
    const cause = new Error('inner');
    expect(new AppError('NOT_FOUND', 'x', { cause, details: { a: 1 } })).toMatchObject({ cause, details: { a: 1 } });
    const bare = new AppError('NOT_FOUND', 'x');
    expect('cause' in bare).toBe(false);
    expect(bare.details).toEqual({});
  });

  it('of a document have every problem in data and text', () => {
    const issues = [
      { path: '/a', message: 'is required' },
      { path: '', message: 'must be a map' },
    ];
    const error = new ConfigError('hook "x"', issues);
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', name: 'ConfigError', issues, details: { issues } });
    expect(error.message).toBe('invalid hook "x": /a is required; must be a map');
  });

  it('get their origin once, at a boundary', () => {
    const cause = new TypeError('no such thing');
    const error = wrapAt('action(webhook/alerts)', 'PLUGIN_START_FAILED', cause);
    expect(error).toMatchObject({ code: 'PLUGIN_START_FAILED', cause });
    expect(error.message).toBe('action(webhook/alerts): no such thing');
  });

  it('have a text whatever was thrown', () => {
    expect([new Error('a'), 'b', undefined].map(errorText)).toEqual(['a', 'b', 'undefined']);
  });
});

describe('the list of codes in the README of core', () => {
  const readme = readFileSync(new URL('../../../core/README.md', import.meta.url), 'utf8');
  const [, list = ''] = /<!-- codes -->\n([\s\S]*?)<!-- \/codes -->/.exec(readme) ?? [];
  const entries = [...list.matchAll(/^- `([A-Z_]+)`(?: \((retired)\))?: \S/gm)].map(([, code = '', retired]) => ({
    code,
    retired: retired !== undefined,
  }));

  it('has each code once, one line each', () => {
    expect(list.trim().split('\n')).toHaveLength(entries.length);
    expect(new Set(entries.map(({ code }) => code)).size).toBe(entries.length);
  });

  it('has the codes of the table, and beside them only retired ones', () => {
    const codes = entries.filter(({ retired }) => !retired).map(({ code }) => code);
    expect(codes.sort()).toEqual(Object.keys(ERROR_CODES).sort());
    for (const { code } of entries.filter(({ retired }) => retired)) expect(ERROR_CODES).not.toHaveProperty(code);
  });
});

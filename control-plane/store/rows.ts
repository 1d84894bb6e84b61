/** Readers of SQLite's rows: a column that is not what the schema promises is a damaged file, said by name. */
import type { SQLOutputValue } from 'node:sqlite';

import { AppError } from '#core';

export type Row = Record<string, SQLOutputValue>;

export function integer(row: Row, column: string): number {
  const value = row[column];
  if (typeof value !== 'number') throw damaged(column, 'a number', value);
  return value;
}

export function numberOrNull(row: Row, column: string): number | null {
  return row[column] === null ? null : integer(row, column);
}

export function text(row: Row, column: string): string {
  const value = row[column];
  if (typeof value !== 'string') throw damaged(column, 'text', value);
  return value;
}

export function bytes(row: Row, column: string): Uint8Array {
  const value = row[column];
  if (!(value instanceof Uint8Array)) throw damaged(column, 'bytes', value);
  return value;
}

function damaged(column: string, expected: string, value: SQLOutputValue | undefined): AppError {
  return new AppError(
    'STORE_FAILED',
    `store holds ${value === null ? 'null' : typeof value} in ${column}, expected ${expected}`,
  );
}

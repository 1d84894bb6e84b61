/** Reading JSON that others send: every error names the place and what was expected there. */
import { AppError, isObject } from '#core';

export type Body = Readonly<Record<string, unknown>>;

/** A text; '' where there is none. Throws MESSAGE_INVALID, as all of these. */
export function text(body: Body, key: string): string {
  const value = body[key];
  if (value === undefined || value === null) return '';
  if (typeof value !== 'string') throw wrong(`/${key}`, value, 'text');
  return value;
}

/** A text that must be there. */
export function needed(body: Body, key: string): string {
  const value = text(body, key);
  if (value === '') throw new AppError('MESSAGE_INVALID', `/${key} is missing, expected text`);
  return value;
}

/** An object; empty where there is none. */
export function record(body: Body, key: string): Body {
  const value = body[key];
  if (value === undefined || value === null) return {};
  if (!isObject(value)) throw wrong(`/${key}`, value, 'an object');
  return value;
}

export function wrong(path: string, value: unknown, expected: string): AppError {
  const shown = JSON.stringify(value)?.slice(0, 80) ?? 'undefined';
  return new AppError('MESSAGE_INVALID', `${path} is ${shown}, expected ${expected}`);
}

/** What is left of a body without these. */
export function rest(body: Body, ...taken: readonly string[]): Body {
  return Object.fromEntries(Object.entries(body).filter(([key]) => !taken.includes(key)));
}

/** The arguments of a call as the parameters of a tool, and back. */
import { isObject, textOf } from '#core/light';

import type { Parameters } from './event.ts';
import { plainObject } from './json.ts';

/** What is no named parameter stands here, in order. */
const POSITIONAL = 'positional';

/** `f('t1', { command: 'ls' })` → `{ command: 'ls', positional: ['t1'] }`: judges look for names. Never throws. */
export function parametersOf(args: readonly unknown[]): Parameters {
  const place = placeOfNamed(args);
  const found = place === null ? null : args[place];
  if (place === null || !isObject(found)) return { [POSITIONAL]: args };
  const others = args.toSpliced(place, 1);
  return { ...plainObject(found), ...(others.length === 0 ? {} : { [POSITIONAL]: others }) };
}

/** Text that stands there without a name. */
export function textAt({ [POSITIONAL]: others }: Parameters, place: number): string {
  return Array.isArray(others) ? textOf(others[place]) : '';
}

/** The first that is true or false without a name. */
export function flagIn({ [POSITIONAL]: others }: Parameters): boolean | undefined {
  return Array.isArray(others) ? others.find((value) => typeof value === 'boolean') : undefined;
}

/** The arguments as they are in rewritten parameters. Throws `TypeError` for such as belong to another call. */
export function argumentsOf(rewritten: Parameters, args: readonly unknown[]): readonly unknown[] {
  const place = placeOfNamed(args);
  const { [POSITIONAL]: others = [], ...parameters } = rewritten;
  const expected = place === null ? args.length : args.length - 1;
  if (!Array.isArray(others) || others.length !== expected || (place === null && Object.keys(parameters).length > 0))
    throw new TypeError(`the rewritten input does not fit: expected ${expected} at /${POSITIONAL}`);
  const list: readonly unknown[] = others;
  return place === null ? list : list.toSpliced(place, 0, parameters);
}

/** Where the only plain object among them is, unless it uses our own name. */
function placeOfNamed(args: readonly unknown[]): number | null {
  const places = [...args.keys()].filter((place) => isPlain(args[place]));
  const [place] = places;
  const found = args[place ?? -1];
  return place === undefined || places.length > 1 || (isObject(found) && POSITIONAL in found) ? null : place;
}

function isPlain(value: unknown): boolean {
  if (!isObject(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

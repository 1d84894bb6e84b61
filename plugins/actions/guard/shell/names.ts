/** Names of programs and of files. */
import { HOLE, SECRET } from './marks.ts';
import type { Scope } from './scope.ts';

/** Characters of what commands print that are followed. */
const MAX_OUTPUT = 262_144;

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Where a path leads: `.` and `..` resolved, marks kept. */
export function absolute(path: string, scope: Pick<Scope, 'cwd'>): string {
  const whole =
    path.startsWith('/') || path.startsWith(HOLE) || path.startsWith(SECRET) ? path : `${scope.cwd}/${path}`;
  const parts: string[] = [];
  for (const part of whole.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') parts.pop();
    else parts.push(part);
  }
  const lead = whole.startsWith('/') ? '/' : '';
  return lead + parts.join('/') || '/';
}

/** What two commands print one after the other. */
export function joined(a: string, b: string): string {
  if (a === '') return b;
  return b === '' ? a : `${a.replace(/\n$/, '')}\n${b}`.slice(0, MAX_OUTPUT);
}

/** One word for a shell, whatever is in it. */
export function requoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

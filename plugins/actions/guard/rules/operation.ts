import type { Risk } from '#core';

/** Programs, a pattern of their arguments, and what it is. */
export type Operation = readonly [programs: string, args: RegExp, risk: Risk, rule: string, what: string];

import { AppError, didYouMean } from '#core';

import type { Body } from '../../../bodies.ts';
import { claudeCode } from './claude-code.ts';
import type { Dialect } from './dialect.ts';
import { geminiCli } from './gemini-cli.ts';
import { kagent } from './kagent.ts';
import { neutral } from './neutral.ts';

/** Every form that is understood; the first that speaks a body is meant where the caller does not say. */
export const DIALECTS: readonly Dialect[] = [neutral, geminiCli, claudeCode, kagent];

/** Throws NOT_FOUND with the known ones. */
export function dialectNamed(name: string): Dialect {
  const found = DIALECTS.find((dialect) => dialect.name === name);
  if (found) return found;
  const names = DIALECTS.map((dialect) => dialect.name);
  const known = names.join(', ');
  throw new AppError('NOT_FOUND', `unknown dialect ${JSON.stringify(name)}${didYouMean(name, names)}; known: ${known}`);
}

/** Throws MESSAGE_INVALID for what is in none. */
export function dialectOf(body: Body): Dialect {
  const found = DIALECTS.find((dialect) => dialect.speaks(body));
  if (found) return found;
  throw new AppError('MESSAGE_INVALID', 'neither /hook_event_name nor /hook_type is there, so the form is unknown');
}

export type { Answering, Dialect, Heard } from './dialect.ts';

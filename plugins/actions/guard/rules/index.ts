import type { Handler, Handlers } from '../shell/invocation.ts';
import { files } from './files.ts';
import { texts } from './texts.ts';
import { wrappers } from './wrappers.ts';

/** Every program that something is known of. */
const HANDLERS: Handlers = { ...texts, ...files, ...wrappers };

export function handlerOf(name: string): Handler | undefined {
  return Object.hasOwn(HANDLERS, name) ? HANDLERS[name] : undefined;
}

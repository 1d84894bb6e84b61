import type { Component, Infer, SourceContext } from '#core';

import type { ApiClient } from './api/client.ts';
import type { Heard, Reflector } from './api/reflector.ts';
import type { config } from './config.ts';

/** What a role works with. */
export interface RoleParts {
  readonly client: ApiClient;
  readonly config: Infer<typeof config>;
  readonly context: SourceContext;
  /** Ends the life. */
  readonly signal: AbortSignal;
  /** `from`: where a former one had stopped. */
  readonly reflector: (path: string, fieldSelector: string, heard: Heard, from?: string) => Reflector;
  readonly onError: (error: unknown) => void;
  /** Says what is heard, for people. */
  readonly hears: (text: string) => void;
}

/** Either work of a source: `start` resolves once it hears, and `ended` rejects with why it cannot go on. */
export interface Role extends Required<Pick<Component, 'stop'>> {
  start(): Promise<void>;
  readonly ended: Promise<void>;
}

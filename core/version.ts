import { createRequire } from 'node:module';

import { isObject } from './pointer.ts';

const manifest: unknown = createRequire(import.meta.url)('trotline/package.json');

/** Of this package. */
export const VERSION = isObject(manifest) && typeof manifest.version === 'string' ? manifest.version : '0.0.0';

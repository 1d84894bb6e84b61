import { AppError } from '#core';

import { fullHookId } from '../http/names.ts';

/** Where the API has a hook: `NAME` or `NAMESPACE/NAME` below `/v1/hooks`, or another collection of what hooks have. */
export function hookPath(name: string, collection: 'hooks' | 'stats' = 'hooks'): string {
  const parts = fullHookId(name).split('/');
  if (parts.length !== 2 || parts.some((part) => /^\.{0,2}$/.test(part)))
    throw new AppError('USAGE', `${JSON.stringify(name)} is no hook name, expected NAME or NAMESPACE/NAME`);
  return `/v1/${collection}/${parts.map(encodeURIComponent).join('/')}`;
}

/** Proving who we are to a registry: basic, or a token from the service that the registry names. */
import { AppError, type Clock, isObject } from '#core';

import type { BundleLimits } from './limits.ts';
import type { Credentials } from './settings.ts';
import { bodyOf, type Transport } from './transport.ts';

export interface AuthorizationOptions {
  readonly transport: Transport;
  readonly credentials: Credentials | null;
  /** `repository:acme/hooks:pull`. */
  readonly scope: string;
  readonly limits: BundleLimits;
  readonly clock: Clock;
}

/**
 * The header that answers a registry's `WWW-Authenticate`. Throws POLICY_REFUSED when nothing is known that it asks for or when
 * the token service refuses, PEER_UNAVAILABLE when that cannot be reached.
 */
export async function authorize(
  challenge: string,
  options: AuthorizationOptions,
  signal: AbortSignal,
): Promise<string> {
  const { credentials } = options;
  const [, bearer] = /\bbearer\s+([^]*)$/i.exec(challenge) ?? [];
  if (bearer !== undefined) return `Bearer ${await tokenOf(parametersOf(bearer), options, signal)}`;
  if (!/\bbasic\b/i.test(challenge)) throw refused('the registry asks for a proof that is neither basic nor a token');
  if (credentials === null) throw refused('the registry wants credentials, and none are given for this repository');
  return basic(credentials);
}

async function tokenOf(
  parameters: ReadonlyMap<string, string>,
  { transport, credentials, scope, limits, clock }: AuthorizationOptions,
  signal: AbortSignal,
): Promise<string> {
  const realm = parameters.get('realm') ?? '';
  if (!URL.canParse(realm)) throw refused('the registry names no token service');
  const url = new URL(realm);
  const service = parameters.get('service');
  if (service !== undefined) url.searchParams.set('service', service);
  url.searchParams.set('scope', parameters.get('scope') ?? scope);
  const headers = credentials === null ? {} : { authorization: basic(credentials) };
  const response = await transport.get(url, { headers, signal });
  const text = (await bodyOf(response, limits, clock)).toString();
  const status = response.statusCode ?? 0;
  if (status >= 500 || status === 429)
    throw new AppError('PEER_UNAVAILABLE', `the token service ${url.host} answered ${status}`);
  if (status !== 200) {
    const who = credentials === null ? 'without credentials' : `for ${credentials.user}`;
    throw refused(`the token service ${url.host} answered ${status} ${who}`);
  }
  const token = tokenIn(text);
  if (token === null) throw refused(`the token service ${url.host} gave no token`);
  return token;
}

/** Header text alone is a token: nothing else can be sent. */
function tokenIn(text: string): string | null {
  try {
    const answer: unknown = JSON.parse(text);
    const { token, access_token: access } = isObject(answer) ? answer : {};
    const found = typeof token === 'string' && token !== '' ? token : access;
    return typeof found === 'string' && /^[\x21-\x7e]+$/.test(found) ? found : null;
  } catch {
    return null;
  }
}

function parametersOf(text: string): ReadonlyMap<string, string> {
  const all = [...text.matchAll(/(\w+)="([^"]*)"/g)].map(
    ([, key = '', value = '']) => [key.toLowerCase(), value] as const,
  );
  // Another challenge may follow: the first of each name counts.
  return new Map(all.toReversed());
}

function basic({ user, password }: Credentials): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

function refused(what: string): AppError {
  return new AppError('POLICY_REFUSED', what);
}

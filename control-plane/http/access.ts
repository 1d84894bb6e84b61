/** Who may use the HTTP API: programs of this machine that can read the token file, and in a cluster people by their Kubernetes token. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import type { IncomingHttpHeaders } from 'node:http';
import { dirname } from 'node:path';

import { AppError, objectOf, oneLine, textOf } from '#core';

import type { Need, People } from '../identity/people.ts';

/** Reads the token, or makes a random one of 256 bits on the first start; only the owner can read the file. */
export async function readOrCreateToken(file: string): Promise<string> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  try {
    await writeFile(file, `${randomBytes(32).toString('base64url')}\n`, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
  await chmod(file, 0o600);
  const token = (await readFile(file, 'utf8')).trim();
  if (token.length < 32)
    throw new AppError('CONFIG_INVALID', `token file ${file} is damaged, expected 32 characters or more; remove it`);
  return token;
}

/** What an `Authorization: Bearer …` header carries; '' without one. */
function bearerOf(header: string | undefined): string {
  const [scheme = '', given = ''] = (header ?? '').split(' ');
  return scheme.toLowerCase() === 'bearer' ? given : '';
}

export interface AccessOptions {
  /** Of the token file: allows everything. */
  readonly token: string;
  /** Null: only who has that token may enter. */
  readonly people: People | null;
}

/** A request as it is judged: `params` are those of its route. */
export interface Asked {
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  readonly params: unknown;
  readonly routeOptions: { readonly url?: string | undefined };
}

/** Who asks; `person` is the name that the API server gave, null for programs of this machine. */
export type Access =
  | { readonly status: 200; readonly person: string | null }
  | { readonly status: 401 | 403; readonly message: string };

/** Judges a request before its body is read. Throws PEER_UNAVAILABLE when the API server has to be asked and cannot. */
export async function accessOf(request: Asked, { token, people }: AccessOptions): Promise<Access> {
  if (!isLoopbackHost(request.headers.host)) return FOREIGN;
  if (OPEN.has(request.routeOptions.url ?? '')) return { status: 200, person: null };
  const given = bearerOf(request.headers.authorization);
  // The time it takes says nothing about the token.
  if (timingSafeEqual(sha256(given), sha256(token))) return { status: 200, person: null };
  const person = given === '' || !people ? null : await people.known(given);
  if (!person) {
    const expected = people ? ', expected that of the data folder or one that the API server knows' : '';
    return { status: 401, message: `the token is missing or wrong${expected}` };
  }
  const need = needOf(request);
  if (await person.may(need)) return { status: 200, person: person.username };
  return { status: 403, message: `${person.username} may not ${needText(need)}` };
}

/** Reading as a whole shows events of all namespaces; only what is below one hook is that hook's. */
function needOf({ method, params, routeOptions: { url = '' } }: Asked): Need {
  const { namespace, name } = objectOf(params);
  const isRead = method === 'GET' || method === 'HEAD' || url === '/v1/hooks/validate' || url === '/v1/hooks/test';
  const verb = isRead ? (textOf(name) === '' ? 'list' : 'get') : 'update';
  return { verb, namespace: textOf(namespace), name: textOf(name) };
}

function needText({ verb, namespace, name }: Need): string {
  const where = namespace === '' ? 'of all namespaces' : `"${oneLine(`${namespace}/${name}`, 512)}"`;
  return `${verb} eventhooks.trotline.dev ${where}; a role with the verb ${verb} is needed`;
}

const FOREIGN: Access = { status: 403, message: 'the Host header names another machine' };
/** Routes that tell nothing but how the control plane fares. */
const OPEN: ReadonlySet<string> = new Set(['/healthz', '/health/hooks']);

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** Whether a `Host` header names this machine: a page that rebinds its own name to 127.0.0.1 does not. */
export function isLoopbackHost(header: string | undefined): boolean {
  return /^(127(\.\d{1,3}){3}|localhost|\[::1\])(:\d{1,5})?$/i.test(header ?? '');
}

/** Host and port of `127.0.0.1:7411`. Throws CONFIG_INVALID for anything that is not on the loopback interface. */
export function parseLoopback(address: string): { readonly host: string; readonly port: number } {
  const match = /^(.+):(\d{1,5})$/.exec(address);
  const port = Number(match?.[2]);
  if (!isLoopbackHost(address) || match?.[1] === undefined || port > 65_535) {
    throw new AppError(
      'CONFIG_INVALID',
      `api address "${address}" is not a loopback address with a port, expected like 127.0.0.1:7411`,
    );
  }
  return { host: match[1].replaceAll(/[[\]]/g, ''), port };
}

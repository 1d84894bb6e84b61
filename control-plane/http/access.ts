/** Who may use the HTTP API: programs of this machine that can read the token file. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

import { AppError } from '#core';

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

/** Whether an `Authorization` header carries the token; the time it takes says nothing about it. */
export function isAuthorized(header: string | undefined, token: string): boolean {
  const [scheme = '', given = ''] = (header ?? '').split(' ');
  return timingSafeEqual(sha256(given), sha256(token)) && scheme.toLowerCase() === 'bearer';
}

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

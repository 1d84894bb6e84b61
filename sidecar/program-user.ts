/** Whom a program runs as, from the node's own files. */
import { readFile } from 'node:fs/promises';

import { AppError } from '#core';

export interface Identity {
  readonly uid: number | null;
  readonly gid: number | null;
  readonly groups: readonly number[];
}

const NOBODY_ELSE: Identity = { uid: null, gid: null, groups: [] };
/** The kernel's last one means "none". */
const LAST_ID = 0xfffffffe;

/**
 * `user` or `user:group`, each by name or number; null is the sidecar's own. A user alone has the groups of the node's
 * files, and one without an entry its own number for a group; a group that is given is the only one.
 */
export async function identityOf(user: string | null): Promise<Identity> {
  if (user === null) return NOBODY_ELSE;
  const [name = '', groupName] = user.split(':');
  const users = await table('/etc/passwd');
  const groups = await table('/etc/group');
  const row = users.find(([login]) => login === name) ?? users.find(([, , uid]) => uid === name);
  const uid = idOf('user', name, row?.[2]);
  if (groupName !== undefined) {
    const gid = idOf('group', groupName, groups.find(([group]) => group === groupName)?.[2]);
    return { uid, gid, groups: [gid] };
  }
  const gid = idOf('group', name, row?.[3]);
  const [login] = row ?? [];
  const also = groups.filter(([, , , members = '']) => login !== undefined && members.split(',').includes(login));
  return { uid, gid, groups: [...new Set([gid, ...also.map(([group = '', , id]) => idOf('group', group, id))])] };
}

/** The number that the files give the name, else the name as a number. */
function idOf(what: string, name: string, listed: string | undefined): number {
  const text = listed ?? name;
  if (/^\d+$/.test(text) && Number(text) <= LAST_ID) return Number(text);
  throw new AppError('POLICY_REFUSED', `${what} ${JSON.stringify(name)} is not known on this node`);
}

/** Rows of colon-separated columns; without the file there are none. */
async function table(path: string): Promise<string[][]> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter((line) => line.includes(':') && !line.startsWith('#'))
    .map((line) => line.split(':'));
}

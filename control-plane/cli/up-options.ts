/** What `trotline up` is started with. */
import { constants } from 'node:fs';
import { access, mkdir, stat } from 'node:fs/promises';
import { resolve } from 'node:path';

import { AppError, errorText, isObject } from '#core';

import { dataFolder } from '../config.ts';
import { parseLoopback } from '../http/access.ts';
import type { Context, DataOption } from './command.ts';

const MAX_NODE_LENGTH = 253;

export interface UpOptions extends DataOption {
  readonly hooks: string;
  readonly node: string;
  readonly api: string;
  readonly sources?: string;
  readonly verbose?: boolean;
}

/** Refuses what neither process could be started with, before one is. */
export async function checkUp({ data: told, hooks: given, node, api, sources }: UpOptions, env: NodeJS.ProcessEnv) {
  if (given === '' || told === '')
    throw new AppError('USAGE', `--${given === '' ? 'hooks' : 'data'} is empty, expected a directory`);
  if (node === '' || node.length > MAX_NODE_LENGTH)
    throw new AppError('USAGE', `--node has ${node.length} characters, expected 1 to ${MAX_NODE_LENGTH}`);
  parseLoopback(api);
  const hooks = resolve(given);
  if (!(await stat(hooks).catch(() => null))?.isDirectory())
    throw new AppError('USAGE', `--hooks ${given} is no directory`);
  if (sources !== undefined && !(await stat(sources).catch(() => null))?.isFile())
    throw new AppError('USAGE', `--sources ${sources} is no file`);
  const data = dataFolder(told, env);
  try {
    await mkdir(data, { recursive: true, mode: 0o700 });
    await access(data, constants.W_OK);
  } catch (error) {
    const code = isObject(error) && typeof error.code === 'string' ? error.code : '';
    const reason = FOLDER_TROUBLES[code] ?? errorText(error);
    throw new AppError('USAGE', `data folder ${data} cannot be used: ${reason}; choose another with --data`, {
      cause: error,
    });
  }
  return { data, hooks, sources: sources === undefined ? null : resolve(sources) };
}

const FOLDER_TROUBLES: Readonly<Record<string, string>> = {
  EEXIST: 'it is no folder',
  ENOTDIR: 'a part of its path is no folder',
  EACCES: 'it is not yours to write',
  EROFS: 'its file system is read-only',
  ENOSPC: 'the disk is full',
};

/** What other commands need to find this data folder; '' where they look by themselves. */
export function dataArgument(data: string, { env }: Context): string {
  const { TROTLINE_DATA: _, ...others } = env;
  return data === dataFolder(undefined, others) ? '' : ` --data ${shellWord(data)}`;
}

function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

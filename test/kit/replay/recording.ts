/** A folder of recorded watches: `<collection>.jsonl`, plain, `.gz` or `.xz`, one watch event a line. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

import { isObject } from '#core';

export interface Line {
  /** When it arrived, milliseconds since the epoch. */
  readonly at: number;
  readonly type: string;
  readonly object: Readonly<Record<string, unknown>>;
  /** The object's resource version, which orders a collection. */
  readonly version: number;
}

/** Collection → its lines. Those that are missing in the folder are empty. */
export type Recording = Readonly<Record<Collection, readonly Line[]>>;

/** Files by collection; Events are read as core/v1 tells them. */
const FILES = {
  pods: 'pods',
  nodes: 'nodes',
  events: 'events-core-v1',
  replicasets: 'replicasets',
  jobs: 'jobs',
} as const;
export type Collection = keyof typeof FILES;

export function readRecording(folder: string): Recording {
  const of = (collection: Collection): Line[] => readLines(folder, FILES[collection]).flatMap(lineOf);
  return {
    pods: of('pods'),
    nodes: of('nodes'),
    events: of('events'),
    replicasets: of('replicasets'),
    jobs: of('jobs'),
  };
}

/** The parsed lines of `<name>.jsonl`, in whatever packing; [] where there is none. */
export function readLines(folder: string, name: string): unknown[] {
  const plain = join(folder, `${name}.jsonl`);
  const text = existsSync(plain)
    ? readFileSync(plain, 'utf8')
    : existsSync(`${plain}.gz`)
      ? gunzipSync(readFileSync(`${plain}.gz`)).toString('utf8')
      : existsSync(`${plain}.xz`)
        ? execFileSync('xz', ['-dc', `${plain}.xz`], { maxBuffer: 2 ** 30, encoding: 'utf8' })
        : '';
  return text.split('\n').flatMap((line, index) => {
    if (line.trim() === '') return [];
    try {
      return [JSON.parse(line) as unknown];
    } catch {
      throw new Error(`${plain}:${index + 1} is no JSON`);
    }
  });
}

function lineOf(value: unknown): Line[] {
  if (!isObject(value) || typeof value.at !== 'number' || typeof value.type !== 'string') return [];
  const object = isObject(value.object) ? value.object : {};
  const metadata = isObject(object.metadata) ? object.metadata : {};
  return [{ at: value.at, type: value.type, object, version: Number(metadata.resourceVersion) || 0 }];
}

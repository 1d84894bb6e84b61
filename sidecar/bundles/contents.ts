/** What a bundle is and what is in it, as files beside its root, so that it can be held against what is on disk later. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { AppError, checkConfig, errorText, type Infer, Type } from '#core';

import type { ImageTree, TreeNode } from './tree.ts';
import { FILE_MODE, FOLDER_MODE, PROGRAM_MODE } from './unpack.ts';

const MAX_PROBLEMS = 20;

const BundleFile = Type.Object({
  version: Type.Literal(1),
  /** Of the image's manifest: the bundle's name in the cache. */
  digest: Type.String({ pattern: '^sha256:[0-9a-f]{64}$' }),
  /** As it was asked for first. */
  image: Type.String(),
  platform: Type.String(),
  layers: Type.Array(Type.String()),
  files: Type.Integer({ minimum: 0 }),
  bytes: Type.Integer({ minimum: 0 }),
  /** ISO, UTC. */
  pulledAt: Type.String(),
});
export type BundleFile = Infer<typeof BundleFile>;

const Content = Type.Object({
  path: Type.String(),
  kind: Type.Union([Type.Literal('file'), Type.Literal('folder'), Type.Literal('link')]),
  executable: Type.Optional(Type.Boolean()),
  size: Type.Optional(Type.Integer()),
  sha256: Type.Optional(Type.String()),
  target: Type.Optional(Type.String()),
});
type Content = Infer<typeof Content>;

export const ROOT = 'rootfs';
export const BUNDLE_FILE = 'bundle.json';
const CONTENTS_FILE = 'contents.jsonl';

/** Writes both files into the bundle's folder; not synced. */
export async function describeBundle(folder: string, bundle: BundleFile, tree: ImageTree): Promise<string[]> {
  const lines: string[] = [];
  for (const { path, node } of tree.nodes()) lines.push(JSON.stringify(contentOf(path, node)));
  const files = [join(folder, CONTENTS_FILE), join(folder, BUNDLE_FILE)];
  await writeFile(files[0] ?? '', lines.map((line) => `${line}\n`).join(''), { mode: 0o444, flag: 'wx' });
  await writeFile(files[1] ?? '', `${JSON.stringify(bundle)}\n`, { mode: 0o644, flag: 'wx' });
  return files;
}

export function countFiles(tree: ImageTree): number {
  let files = 0;
  for (const { node } of tree.nodes()) if (node.kind === 'file') files++;
  return files;
}

/** Null: there is no bundle in the folder, or none that this version can read. */
export async function readBundle(folder: string): Promise<BundleFile | null> {
  try {
    return checkConfig(BundleFile, JSON.parse(await readFile(join(folder, BUNDLE_FILE), 'utf8'))).value;
  } catch {
    return null;
  }
}

/** Every way in which the files differ from what was unpacked, the first few; empty: none. */
export async function verifyBundle(folder: string): Promise<string[]> {
  const problems: string[] = [];
  const root = join(folder, ROOT);
  try {
    const contents = await readContents(folder);
    for await (const path of pathsBelow(root, '')) {
      const content = contents.get(path);
      contents.delete(path);
      const problem = content ? await difference(join(root, path), content) : 'is not of the image';
      if (problem !== null) problems.push(`${JSON.stringify(path)} ${problem}`);
      if (problems.length === MAX_PROBLEMS) return problems;
    }
    problems.push(...[...contents.keys()].map((path) => `${JSON.stringify(path)} is missing`));
  } catch (error) {
    problems.push(errorText(error));
  }
  return problems.slice(0, MAX_PROBLEMS);
}

function contentOf(path: string, node: TreeNode): Content {
  if (node.kind === 'folder') return { path, kind: 'folder' };
  if (node.kind === 'link') return { path, kind: 'link', target: node.target };
  const { executable, size, sha256 } = node;
  return { path, kind: 'file', executable, size, sha256 };
}

async function readContents(folder: string): Promise<Map<string, Content>> {
  const lines = (await readFile(join(folder, CONTENTS_FILE), 'utf8')).split('\n').filter((line) => line !== '');
  return new Map(
    lines.map((line) => {
      const { value } = checkConfig(Content, JSON.parse(line));
      if (value === null) throw new AppError('MESSAGE_INVALID', `${CONTENTS_FILE} has a line that is none of ours`);
      return [value.path, value] as const;
    }),
  );
}

async function* pathsBelow(root: string, below: string): AsyncGenerator<string> {
  for (const entry of await readdir(join(root, below), { withFileTypes: true })) {
    const path = below === '' ? entry.name : `${below}/${entry.name}`;
    yield path;
    if (entry.isDirectory()) yield* pathsBelow(root, path);
  }
}

async function difference(path: string, content: Content): Promise<string | null> {
  const stat = await lstat(path);
  const kind = stat.isFile()
    ? 'file'
    : stat.isDirectory()
      ? 'folder'
      : stat.isSymbolicLink()
        ? 'link'
        : 'something else';
  if (kind !== content.kind) return `is a ${kind}, expected a ${content.kind}`;
  if (kind === 'link') {
    const target = await readlink(path);
    return target === content.target
      ? null
      : `leads to ${JSON.stringify(target)}, expected ${JSON.stringify(content.target)}`;
  }
  const expected = kind === 'folder' ? FOLDER_MODE : content.executable === true ? PROGRAM_MODE : FILE_MODE;
  if ((stat.mode & 0o7777) !== expected)
    return `has mode 0${(stat.mode & 0o7777).toString(8)}, expected 0${expected.toString(8)}`;
  if (kind === 'folder') return null;
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(Buffer.from(chunk));
  return hash.digest('hex') === content.sha256 ? null : 'has other bytes than the image';
}

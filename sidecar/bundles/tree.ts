/**
 * The files of an image as its layers make them, in memory: decides for each entry whether it may be there and what it takes the
 * place of. Nothing of a layer is written to disk that was not accepted here, and no name on disk is ever reached through a link.
 */
import { AppError } from '#core';

import { createSlices } from '../slices.ts';
import type { BundleLimits } from './limits.ts';

const LONGEST_PATH = 4096;
const LONGEST_NAME = 255;
const DEEPEST = 64;
/** Links that one path may go through, as the kernel has it; and steps that all links of an image may take to be followed. */
const MAX_LINKS = 40;
const MAX_STEPS = 4_000_000;
const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';
const SETID = 0o6000;

export interface FileNode {
  readonly kind: 'file';
  readonly layer: number;
  readonly executable: boolean;
  size: number;
  /** Hexadecimal SHA-256; '' until it is written. */
  sha256: string;
}
export interface FolderNode {
  readonly kind: 'folder';
  readonly layer: number;
  readonly children: Map<string, TreeNode>;
}
export interface LinkNode {
  readonly kind: 'link';
  readonly layer: number;
  /** Name and target as the layer has them, for reasons. */
  readonly entry: string;
  readonly said: string;
  /** As it will be on disk: relative. */
  readonly target: string;
}
export type TreeNode = FileNode | FolderNode | LinkNode;

/** One entry of a layer's tar. */
export interface Entry {
  readonly name: string;
  readonly type: string | null;
  readonly mode: number;
  readonly size: number;
  readonly linkName: string;
}

/** What an accepted entry means on disk, in this order. Paths are relative to the image's root, without dots. */
export interface Change {
  readonly remove: readonly string[];
  readonly folders: readonly string[];
  readonly file: { readonly path: string; readonly node: FileNode; readonly sameAs: string | null } | null;
}

export class ImageTree {
  readonly root: FolderNode = { kind: 'folder', layer: -1, children: new Map() };
  readonly #limits: BundleLimits;
  /** Whiteouts of the layer that is being read. */
  readonly #markers = new Set<string>();
  #layer = -1;
  #entries = 0;
  #bytes = 0;

  constructor(limits: BundleLimits) {
    this.#limits = limits;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Throws MESSAGE_INVALID that says why the entry is refused. */
  accept(entry: Entry, layer: number): Change {
    this.#count();
    if (layer !== this.#layer) this.#markers.clear();
    this.#layer = layer;
    const parts = partsOf(entry.name, 'its name');
    const name = parts.at(-1);
    if (name === undefined) {
      if (entry.type !== 'directory') throw refused('it would take the place of the image itself');
      return NOTHING;
    }
    if (name.startsWith(WHITEOUT)) return { ...NOTHING, remove: this.#whiteout(parts, layer) };
    if ((entry.mode & SETID) !== 0)
      throw refused(`its mode is ${octal(entry.mode)}: setuid and setgid are not unpacked`);
    switch (entry.type) {
      case 'directory':
        return this.#folder(parts, layer);
      case 'file':
      case 'contiguous-file':
        return this.#file(parts, layer, entry);
      case 'symlink':
        return this.#link(parts, layer, entry);
      case 'link':
        return this.#hardLink(parts, layer, entry);
      default:
        throw refused(
          `it is a ${entry.type ?? 'thing of a kind'} that is not unpacked, expected files, folders and links`,
        );
    }
  }

  /** Once all layers are there: throws MESSAGE_INVALID, naming layer and entry, for a link that leads out of the image. */
  async checkLinks(): Promise<void> {
    const slice = createSlices();
    let steps = 0;
    for (const { path, node } of this.nodes()) {
      if (node.kind !== 'link') continue;
      await slice();
      const end = this.#resolve(path.split('/'));
      steps += end.steps;
      const where = `layer ${node.layer + 1}, entry ${JSON.stringify(node.entry)}`;
      if (steps > MAX_STEPS) throw refused(`${where}: the links of the image are too long to be followed`);
      // A path from the root is meant inside of the image; one that is not there would be the node's.
      if (end.at === 'outside' || (end.at === 'nowhere' && node.said.startsWith('/')))
        throw refused(`${where}: the symbolic link to ${JSON.stringify(node.said)} leads out of the image`);
    }
  }

  /** All below the root, each folder before what is in it. */
  *nodes(): Generator<{ readonly path: string; readonly node: TreeNode }> {
    const open: { readonly path: string; readonly node: FolderNode }[] = [{ path: '', node: this.root }];
    for (let at = open.pop(); at; at = open.pop()) {
      for (const [name, node] of at.node.children) {
        const path = at.path === '' ? name : `${at.path}/${name}`;
        yield { path, node };
        if (node.kind === 'folder') open.push({ path, node });
      }
    }
  }

  #folder(parts: readonly string[], layer: number): Change {
    const path = parts.join('/');
    const { parent, name, folders } = this.#parent(parts, layer);
    const there = parent.children.get(name);
    // Whatever a lower layer had there stays in it; of this layer a folder may come twice.
    if (there?.kind === 'folder') {
      if (there.layer !== layer) parent.children.set(name, { ...there, layer });
      return { ...NOTHING, folders };
    }
    const remove = this.#replace(parent, name, path, layer);
    parent.children.set(name, { kind: 'folder', layer, children: new Map() });
    return { remove, folders: [...folders, path], file: null };
  }

  #file(parts: readonly string[], layer: number, { size, mode }: Entry): Change {
    if (size > this.#limits.fileBytes)
      throw refused(`it has ${size} bytes, at most ${this.#limits.fileBytes} are unpacked`);
    this.#bytes += size;
    if (this.#bytes > this.#limits.unpackedBytes)
      throw refused(`with it the image has more than ${this.#limits.unpackedBytes} bytes`);
    const node: FileNode = { kind: 'file', layer, executable: (mode & 0o111) !== 0, size, sha256: '' };
    return this.#put(parts, layer, node, null);
  }

  #hardLink(parts: readonly string[], layer: number, { linkName }: Entry): Change {
    const target = partsOf(linkName, `its target ${JSON.stringify(linkName)}`);
    const found = this.#find(target);
    if (found?.kind !== 'file') throw refused(`its target ${JSON.stringify(linkName)} is no file of the image`);
    if (target.join('/') === parts.join('/')) throw refused('it is a link to itself');
    return this.#put(parts, layer, { ...found, layer }, target.join('/'));
  }

  #put(parts: readonly string[], layer: number, node: FileNode, sameAs: string | null): Change {
    const path = parts.join('/');
    const { parent, name, folders } = this.#parent(parts, layer);
    const remove = this.#replace(parent, name, path, layer);
    parent.children.set(name, node);
    return { remove, folders, file: { path, node, sameAs } };
  }

  /** Made on disk only when all else is there, so that nothing is ever written through one. */
  #link(parts: readonly string[], layer: number, { name: entry, linkName }: Entry): Change {
    if (linkName === '' || linkName.includes('\0') || Buffer.byteLength(linkName) > LONGEST_PATH)
      throw refused(`its target ${JSON.stringify(linkName.slice(0, 200))} is no path`);
    const path = parts.join('/');
    const { parent, name, folders } = this.#parent(parts, layer);
    const remove = this.#replace(parent, name, path, layer);
    const fromRoot = '../'.repeat(parts.length - 1);
    const target = linkName.startsWith('/') ? `${fromRoot}${linkName.replace(/^\/+/, '')}` || '.' : linkName;
    parent.children.set(name, { kind: 'link', layer, entry, said: linkName, target });
    return { remove, folders, file: null };
  }

  /** The folder that an entry is in; missing ones are made. A parent that is no folder is no parent. */
  #parent(parts: readonly string[], layer: number) {
    const folders: string[] = [];
    let parent = this.root;
    for (const [depth, part] of parts.slice(0, -1).entries()) {
      const there = parent.children.get(part);
      const path = parts.slice(0, depth + 1).join('/');
      if (there && there.kind !== 'folder')
        throw refused(
          `it is below ${JSON.stringify(path)}, which is a ${there.kind === 'link' ? 'symbolic link' : 'file'}`,
        );
      const next: FolderNode = there ?? { kind: 'folder', layer, children: new Map() };
      if (!there) {
        this.#count();
        parent.children.set(part, next);
        folders.push(path);
      }
      parent = next;
    }
    return { parent, name: parts.at(-1) ?? '', folders };
  }

  /** Takes away what a lower layer has at this name. */
  #replace(parent: FolderNode, name: string, path: string, layer: number): string[] {
    const there = parent.children.get(name);
    if (!there) return [];
    if (there.layer === layer || newerIn(there, layer)) throw refused('its layer has this name twice');
    parent.children.delete(name);
    return there.kind === 'link' ? [] : [path];
  }

  #whiteout(parts: readonly string[], layer: number): string[] {
    const path = parts.join('/');
    if (this.#markers.has(path)) throw refused('its layer has this name twice');
    this.#markers.add(path);
    const marker = parts.at(-1) ?? '';
    const name = marker.slice(WHITEOUT.length);
    const above = parts.slice(0, -1);
    if (marker !== OPAQUE && ['', '.', '..'].includes(name))
      throw refused('it would take away what is not in its folder');
    const folder = this.#find(above);
    if (folder?.kind !== 'folder') return [];
    if (marker === OPAQUE)
      return [...folder.children.keys()].flatMap((child) => removeOlder(folder, child, above, layer));
    // Others of these are notes of an old storage driver.
    return name.startsWith(WHITEOUT) ? [] : removeOlder(folder, name, above, layer);
  }

  #find(parts: readonly string[]): TreeNode | undefined {
    let at: TreeNode | undefined = this.root;
    for (const part of parts) at = at?.kind === 'folder' ? at.children.get(part) : undefined;
    return at;
  }

  /** Where a path ends when every link is followed, and how long that took. */
  #resolve(path: readonly string[]): { readonly at: 'inside' | 'outside' | 'nowhere'; readonly steps: number } {
    const todo = path.toReversed();
    const way: FolderNode[] = [];
    let links = 0;
    let steps = 0;
    for (let part = todo.pop(); part !== undefined; part = todo.pop()) {
      steps++;
      if (part === '' || part === '.') continue;
      if (part === '..') {
        if (way.pop() === undefined) return { at: 'outside', steps };
        continue;
      }
      const next = (way.at(-1) ?? this.root).children.get(part);
      if (next?.kind === 'link') {
        const parts = next.target.split('/');
        steps += parts.length;
        if (++links > MAX_LINKS) return { at: 'nowhere', steps };
        todo.push(...parts.toReversed());
      } else if (next?.kind === 'folder') way.push(next);
      else if (next && todo.length === 0) return { at: 'inside', steps };
      else {
        // It leads nowhere, which dots may go on from.
        steps += todo.length;
        if (!todo.includes('..')) return { at: 'nowhere', steps };
        way.push(NO_FOLDER);
      }
    }
    return { at: 'inside', steps };
  }

  #count(): void {
    if (++this.#entries > this.#limits.entries) throw refused(`there are more than ${this.#limits.entries} entries`);
  }
}

const NOTHING: Change = { remove: [], folders: [], file: null };
const NO_FOLDER: FolderNode = { kind: 'folder', layer: -1, children: new Map() };

/** Whether something below was made by this layer. */
function newerIn(node: TreeNode, layer: number): boolean {
  return (
    node.kind === 'folder' &&
    [...node.children.values()].some((child) => child.layer === layer || newerIn(child, layer))
  );
}

/** Removes what lower layers have at this name; what this layer has made there stays. */
function removeOlder(folder: FolderNode, name: string, above: readonly string[], layer: number): string[] {
  const there = folder.children.get(name);
  if (!there) return [];
  const path = [...above, name];
  if (there.kind === 'folder' && (there.layer === layer || newerIn(there, layer)))
    return [...there.children.keys()].flatMap((child) => removeOlder(there, child, path, layer));
  if (there.layer === layer) return [];
  folder.children.delete(name);
  return there.kind === 'link' ? [] : [path.join('/')];
}

/** The parts of a name inside of the image. Throws MESSAGE_INVALID for one that is anywhere else. */
export function partsOf(name: string, what: string): string[] {
  if (name.includes('\0')) throw refused(`${what} holds a NUL byte`);
  if (name.startsWith('/')) throw refused(`${what} is absolute`);
  if (Buffer.byteLength(name) > LONGEST_PATH) throw refused(`${what} is longer than ${LONGEST_PATH} bytes`);
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw refused(`${what} leads out of the image`);
  if (parts.length > DEEPEST) throw refused(`${what} is deeper than ${DEEPEST} folders`);
  if (parts.some((part) => Buffer.byteLength(part) > LONGEST_NAME))
    throw refused(`${what} has a part longer than ${LONGEST_NAME} bytes`);
  return parts;
}

function octal(mode: number): string {
  return `0${(mode & 0o7777).toString(8)}`;
}

function refused(why: string): AppError {
  return new AppError('MESSAGE_INVALID', why);
}

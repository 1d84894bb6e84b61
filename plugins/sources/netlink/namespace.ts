import type { DumpDoneRecord, Family, ObjectRecord } from '#native';

import type { Change } from './change.ts';
import { Dumps, type DumpsOptions } from './dumps.ts';
import type { Tables } from './tables.ts';

/** The reader's own. */
export const OWN = -1;

/** After these the kernel removes IPv4 routes, or turns their flags, without a word. */
const TURNS_ROUTES = new Set(['link-up', 'link-down', 'link-deleted', 'addr-deleted']);

export interface NamespaceName {
  readonly nsid: number;
  /** `''` for the own. */
  readonly name: string;
  /** null: not known. */
  readonly inode: number | null;
}

export interface NamespaceOptions extends Omit<DumpsOptions, 'ask'> {
  readonly dump: (nsid: number) => number;
  /** Known from a life before, or new. */
  readonly tables: Tables;
}

/** What a dump that was whole has found. */
export interface Resync {
  readonly found: readonly Change[];
  /** Messages lost since the one before; null: none was. */
  readonly lost: number | null;
  /** Changes that dumps found since then. */
  readonly differences: number;
  /** Nothing was known before: what was found is news, and makes good no loss. */
  readonly first: boolean;
}

/** One network namespace: its name, its state, and the dumps that make good for what was lost of it. */
export class Namespace {
  /** One object for as long as it is there: what waits to be told of it has the newest name. */
  readonly name: NamespaceName;
  readonly tables: Tables;
  readonly #dumps: Dumps;
  /** Lost since the last whole dump; null: nothing, not even what the kernel did not count. */
  #lost: number | null = null;
  #differences = 0;
  #missing: readonly Family[] = [];
  #listed = false;
  #whole = false;
  #refused: number | null = null;

  constructor(name: NamespaceName, { tables, dump, ...options }: NamespaceOptions) {
    this.name = { ...name };
    this.tables = tables;
    this.#dumps = new Dumps({
      ...options,
      ask: () => {
        tables.beginDump();
        return dump(this.name.nsid);
      },
    });
  }

  rename(name: NamespaceName): void {
    Object.assign(this.name, name);
  }

  /** A dump of it has ended, well or not. */
  get listed(): boolean {
    return this.#listed;
  }

  /** A dump of it was whole. */
  get whole(): boolean {
    return this.#whole;
  }

  /** The error number with which the last dump was refused; null: it was not. */
  get refused(): number | null {
    return this.#refused;
  }

  /** What dumps could not list. */
  get missing(): readonly Family[] {
    return this.#missing;
  }

  notified(record: ObjectRecord): Change {
    const change = this.tables.notified(record);
    if (TURNS_ROUTES.has(change.type)) this.doubtRoutes();
    return change;
  }

  /** The kernel may have removed some without a word: a dump soon tells. */
  doubtRoutes(): void {
    if (this.tables.routes.size > 0) this.#dumps.requestSoon();
  }

  /** Something was lost: how many, or 0 where nobody counted. */
  suspect(lost: number): void {
    this.#lost = (this.#lost ?? 0) + lost;
  }

  distrust(): void {
    this.#dumps.distrust();
  }

  resync(): void {
    this.#dumps.request();
  }

  /** A row of a dump: changes where it differs. */
  dumped(record: ObjectRecord): Change[] {
    if (record.dump === null || !this.#dumps.isCurrent(record.dump)) return [];
    const found = this.tables.dumped(record);
    this.#differences += found.length;
    return found;
  }

  /** Null: it proves nothing, and another follows. */
  finished(record: DumpDoneRecord): Resync | null {
    // The number may have been another namespace's when the dump was asked for.
    if (!this.#dumps.isCurrent(record.dump)) return null;
    this.#listed = true;
    this.#refused = record.errno;
    if (!this.#dumps.finished(record)) return null;
    const first = !this.#whole;
    this.#whole = true;
    this.#missing = record.missing;
    const found = this.tables.endDump(record.missing);
    const resync = { found, lost: this.#lost, differences: this.#differences + found.length, first };
    this.#lost = null;
    this.#differences = 0;
    return resync;
  }
}

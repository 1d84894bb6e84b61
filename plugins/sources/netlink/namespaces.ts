import type { Clock } from '#core';
import type { NetnsRecord } from '#native';

import { Namespace, type NamespaceName, OWN } from './namespace.ts';
import { Tables } from './tables.ts';

/** What a life of the source leaves to the next one of the same node. */
export interface Known {
  readonly byId: ReadonlyMap<number, KnownNamespace>;
  /** All that existed are among them. */
  readonly complete: boolean;
}

export type KnownNamespace = Pick<Namespace, 'name' | 'tables'>;

export interface Found {
  readonly namespace: Namespace;
  /** Its state is that of the life before. */
  readonly isKnown: boolean;
  /** It came while the source ran, or between two lives: all in it is news. */
  readonly isNews: boolean;
  /** What had its number in the life before, and is gone. */
  readonly replaced: KnownNamespace | null;
}

export interface NamespacesOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly dump: (nsid: number) => number;
  readonly onError: (error: unknown) => void;
}

/** The network namespaces that are heard, by nsid. The own is there from the start. */
export class Namespaces {
  readonly #options: NamespacesOptions;
  readonly #byId = new Map<number, Namespace>();
  #inherited = new Map<number, KnownNamespace>();
  /** All that exist are known: another is news. */
  #complete = false;

  constructor(options: NamespacesOptions) {
    this.#options = options;
    this.#add({ nsid: OWN, name: '', inode: null }, new Tables(false));
  }

  get own(): Namespace {
    const own = this.#byId.get(OWN);
    if (!own) throw new Error('the own namespace is missing');
    return own;
  }

  get(nsid: number): Namespace | undefined {
    return this.#byId.get(nsid);
  }

  all(): IterableIterator<Namespace> {
    return this.#byId.values();
  }

  /** For the next life. */
  get known(): Known {
    return { byId: new Map([...this.#inherited, ...this.#byId]), complete: this.#complete };
  }

  /** From the life before. */
  inherit(known: Known): void {
    this.#inherited = new Map(known.byId);
    this.#complete = known.complete;
    const own = this.#inherited.get(OWN);
    this.#inherited.delete(OWN);
    if (own) this.#add(own.name, own.tables);
  }

  found(record: NetnsRecord): Found {
    const name = nameOf(record);
    const before = this.#inherited.get(name.nsid);
    this.#inherited.delete(name.nsid);
    if (before && isSame(before.name, name)) {
      return { namespace: this.#add(name, before.tables), isKnown: true, isNews: false, replaced: null };
    }
    const isNews = this.#complete;
    return { namespace: this.#add(name, new Tables(isNews)), isKnown: false, isNews, replaced: before ?? null };
  }

  /** Another name for the same; undefined where the number is another namespace's by now, which then has to be found. */
  named(record: NetnsRecord): Namespace | undefined {
    const namespace = this.#byId.get(record.netns);
    const name = nameOf(record);
    if (!namespace || !isSame({ ...namespace.name, name: name.name }, name)) return undefined;
    namespace.rename(name);
    return namespace;
  }

  remove(nsid: number): Namespace | undefined {
    const namespace = this.#byId.get(nsid);
    this.#byId.delete(nsid);
    return namespace;
  }

  /** All that exist were found: those of the life before that are not among them. */
  completed(): readonly KnownNamespace[] {
    this.#complete = true;
    const vanished = [...this.#inherited.values()];
    this.#inherited = new Map();
    return vanished;
  }

  #add(name: NamespaceName, tables: Tables): Namespace {
    const namespace = new Namespace(name, { ...this.#options, tables });
    this.#byId.set(name.nsid, namespace);
    return namespace;
  }
}

function nameOf({ netns, name, inode }: NetnsRecord): NamespaceName {
  return { nsid: netns, name: name ?? `nsid-${netns}`, inode };
}

function isSame(one: NamespaceName, other: NamespaceName): boolean {
  return one.name === other.name && (one.inode === null || other.inode === null || one.inode === other.inode);
}

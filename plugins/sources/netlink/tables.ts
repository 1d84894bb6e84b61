import type { AddressRecord, Family, NeighbourRecord, ObjectRecord, RouteRecord, RuleRecord } from '#native';

import { addressRules } from './addresses.ts';
import type { Change } from './change.ts';
import { LinkTable } from './links.ts';
import { neighbourRules } from './neighbours.ts';
import { ObjectTable } from './object-table.ts';
import { routeRules } from './routes.ts';
import { ruleRules } from './rules.ts';

/** The last known state of everything in one network namespace. */
export class Tables {
  readonly links: LinkTable;
  readonly routes: ObjectTable<RouteRecord>;
  readonly #addresses: ObjectTable<AddressRecord>;
  readonly #neighbours: ObjectTable<NeighbourRecord>;
  readonly #rules: ObjectTable<RuleRecord>;
  #listed = false;

  /** `complete`: what the first dump finds is news. */
  constructor(complete: boolean) {
    this.links = new LinkTable(complete);
    const nameOf = (ifindex: number): string => this.links.nameOf(ifindex);
    this.#addresses = new ObjectTable(addressRules(nameOf), complete);
    this.routes = new ObjectTable(routeRules(nameOf), complete);
    this.#neighbours = new ObjectTable(neighbourRules(nameOf), complete);
    this.#rules = new ObjectTable(ruleRules, complete);
  }

  /** A dump was whole once: what was there then, and whatever came later, was told. */
  get listed(): boolean {
    return this.#listed;
  }

  /** A notification: exactly one change. */
  notified(record: ObjectRecord): Change {
    switch (record.kind) {
      case 'link':
        return this.links.notified(record);
      case 'address':
        return this.#addresses.notified(record);
      case 'route':
        return this.routes.notified(record);
      case 'neighbour':
        return this.#neighbours.notified(record);
      default:
        return this.#rules.notified(record);
    }
  }

  beginDump(): void {
    this.links.beginDump();
    for (const { table } of this.#others()) table.beginDump();
  }

  /** A row of a dump. */
  dumped(record: ObjectRecord): Change[] {
    switch (record.kind) {
      case 'link':
        return this.links.dumped(record);
      case 'address':
        return this.#addresses.dumped(record);
      case 'route':
        return this.routes.dumped(record);
      case 'neighbour':
        return this.#neighbours.dumped(record);
      default:
        return this.#rules.dumped(record);
    }
  }

  /** The dump was whole, but for the families that it could not list. What depends on links goes first. */
  endDump(missing: readonly Family[]): Change[] {
    this.#listed = true;
    const all = [...this.#others(), { family: 'link', table: this.links } as const];
    for (const { family, table } of all) if (missing.includes(family)) table.giveUpDump();
    return all.flatMap(({ family, table }) => (missing.includes(family) ? [] : table.endDump()));
  }

  /** The namespace is gone. */
  clear(): Change[] {
    return [...this.#others().flatMap(({ table }) => table.clear()), ...this.links.clear()];
  }

  /** Everything that is known, links first, as a dump lists it. */
  *objects(): Generator<Change> {
    for (const link of this.links.objects()) yield link;
    for (const { table } of this.#others()) yield* table.objects();
  }

  #others() {
    return [
      { family: 'address', table: this.#addresses },
      { family: 'route', table: this.routes },
      { family: 'neighbour', table: this.#neighbours },
      { family: 'rule', table: this.#rules },
    ] as const;
  }
}

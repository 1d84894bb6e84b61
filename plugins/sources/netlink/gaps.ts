import type { Infer, SourceContext } from '#core';
import { errnoText, type Family } from '#native';

import { FAMILIES } from './change.ts';
import type { config } from './config.ts';
import type { Namespace } from './namespace.ts';
import type { OpenedLine } from './opened-line.ts';

/** So many namespaces are named, the others counted. */
const NAMED = 5;

/** The reader's families, of the names that a configuration has. */
export function familiesOf(names: readonly string[]): Family[] {
  return ALL.filter((family) => names.includes(FAMILIES[family].name));
}

const ALL = ['link', 'address', 'route', 'neighbour', 'rule'] as const satisfies readonly Family[];

/** What is heard, and what is not, or not as well as it was asked for: told as the source's health, whenever it changes. */
export class Gaps {
  readonly #config: Infer<typeof config>;
  readonly #context: SourceContext;
  #told: string | null = null;

  constructor(configured: Infer<typeof config>, context: SourceContext) {
    this.#config = configured;
    this.#context = context;
  }

  tell(line: OpenedLine, namespaces: Iterable<Namespace>): void {
    const reason = [...this.#ofReader(line), ...ofDumps(namespaces)].join('; ');
    if (reason === this.#told) return;
    this.#told = reason;
    const hears = this.#hears(line);
    this.#context.report(reason === '' ? { status: 'ok', hears } : { status: 'degraded', reason, hears });
  }

  #hears({ reader, hearsAll }: OpenedLine): string {
    const { refused } = reader.stats();
    const families = familiesOf(this.#config.families).filter((family) => !refused.includes(family));
    return `${namesOf(families)} in ${hearsAll ? 'all network namespaces' : 'this network namespace'}`;
  }

  *#ofReader({ reader, ownOnly }: OpenedLine): Generator<string> {
    const { receiveBuffer } = this.#config;
    const { receiveBufferBytes, refused } = reader.stats();
    // The kernel reserves the double of what is asked, where it may.
    const given = receiveBufferBytes / 2;
    if (given < receiveBuffer) {
      const remedy = 'needs CAP_NET_ADMIN or a larger net.core.rmem_max';
      yield `receive buffer is ${given} bytes instead of ${receiveBuffer} (${remedy}): bursts may be lost, and are then told`;
    }
    if (ownOnly !== null) yield `only the sidecar's own network namespace is heard (${ownOnly})`;
    if (refused.length > 0) yield `the kernel refused the groups of ${namesOf(refused)}: nothing of these is heard`;
  }
}

function* ofDumps(all: Iterable<Namespace>): Generator<string> {
  const namespaces = [...all];
  const effect = 'changes are heard, but after a loss not compared';
  const partly = namespaces.filter(({ missing }) => missing.length > 0);
  if (partly[0]) {
    const what = `${namesOf(partly[0].missing)} in ${listOf(partly)}`;
    yield `${what} cannot be listed (needs CAP_SYS_ADMIN and CAP_SYS_PTRACE): ${effect}`;
  }
  const refused = namespaces.filter((namespace) => namespace.refused !== null);
  if (refused[0]) yield `${listOf(refused)} cannot be listed (${errnoText(refused[0].refused ?? 0)}): ${effect}`;
}

function listOf(namespaces: readonly Namespace[]): string {
  const names = namespaces.slice(0, NAMED).map(({ name }) => name.name || "the sidecar's own namespace");
  return names.join(', ') + (namespaces.length > NAMED ? ` and ${namespaces.length - NAMED} others` : '');
}

function namesOf(families: readonly Family[]): string {
  return families.map((family) => FAMILIES[family].name).join(', ');
}

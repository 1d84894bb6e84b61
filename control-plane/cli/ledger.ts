/** `trotline ledger`: nothing is lost silently (design section 7.1); the numbers that prove it. */
import { OUTCOMES, type SourceLedger } from '#core';

import type { NodeLedger } from '../store/types.ts';
import {
  Command,
  type Context,
  type DataOption,
  dataOption,
  examples,
  openClient,
  type OutputOption,
  outputOption,
  printList,
  watchOption,
  type WatchOption,
} from './command.ts';
import type { Column, Listing } from './output.ts';

export function ledgerCommand(context: Context): Command {
  const ledger = new Command('ledger').description('what was heard, routed, lost, and its end');
  ledger.addOption(dataOption()).addOption(outputOption()).addOption(watchOption());
  examples(ledger, 'trotline ledger', 'trotline ledger -o json');
  ledger.action(async (options: DataOption & OutputOption & WatchOption) => {
    const client = await openClient(options, context);
    const rows = async (): Promise<LedgerRow[]> => ledgerRows(await client.get<NodeLedger[]>('/v1/ledger'));
    await printList(LEDGER, rows, options, context);
  });
  return ledger;
}

/** A source's or a hook's line. Numbers that do not apply are null. */
export interface LedgerRow {
  readonly node: string;
  readonly kind: 'source' | 'hook';
  readonly name: string;
  /** Of a source's process that are summed up here; null for hooks. */
  readonly lives: number | null;
  readonly heard: number | null;
  readonly unmatched: number | null;
  readonly routed: number;
  readonly lost: number | null;
  readonly unknown: string;
  readonly pending: number | null;
  readonly outcomes: Readonly<Record<string, number>>;
  /** The sums hold. */
  readonly balanced: boolean;
  /** Some of it is not in this store, though it was acknowledged: a volume was lost. */
  readonly missing: boolean;
  /** What the store has equals what the sidecar made; false while reports are on their way. */
  readonly stored: boolean;
}

export function ledgerRows(nodes: readonly NodeLedger[]): LedgerRow[] {
  return nodes.flatMap((node) => [...sourceRows(node), ...hookRows(node)]);
}

/** One row a source: the sum over the lives of its process that the node still tells of. */
function sourceRows({ node, ledger }: NodeLedger): LedgerRow[] {
  return [...Map.groupBy(ledger.sources, ({ source }) => source)].map(([name, lives]) => {
    const total = (of: (life: SourceLedger) => number): number => lives.reduce((all, life) => all + of(life), 0);
    const unknown = lives.flatMap((life) => (life.unknown ? [`${life.unknown.from}–${life.unknown.to ?? '?'}`] : []));
    return {
      node,
      kind: 'source',
      name,
      lives: lives.length,
      heard: total(({ heard }) => heard),
      unmatched: total((life) => life.unmatched),
      routed: total(({ routed }) => routed),
      lost: total(({ lost }) => sum(lost)),
      unknown: unknown.join(', '),
      pending: null,
      outcomes: {},
      missing: false,
      // Each life on its own: what one has too much must not make up for what another has too little.
      balanced: lives.every(({ heard, unmatched, routed, lost }) => heard === unmatched + routed + sum(lost)),
      stored: true,
    };
  });
}

function hookRows({ node, ledger, stored, storedSequence, missingUntil }: NodeLedger): LedgerRow[] {
  return ledger.hooks.map(({ hook, routed, pending, outcomes }) => {
    const same = JSON.stringify(sorted(outcomes)) === JSON.stringify(sorted(stored[hook] ?? {}));
    const none = { lives: null, heard: null, unmatched: null, lost: null, unknown: '' };
    return {
      ...none,
      node,
      kind: 'hook',
      name: hook.replace(/^trotline\//, ''),
      routed,
      pending,
      outcomes,
      balanced: routed === sum(outcomes) + pending,
      missing: missingUntil > 0 && !same,
      stored: (same || missingUntil > 0) && storedSequence >= ledger.outcomeSequence,
    };
  });
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}

function sorted(counts: Readonly<Record<string, number>>): (readonly [string, number])[] {
  return Object.entries(counts)
    .filter(([, count]) => count > 0)
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

/** `dropped(journal-full)` counts as dropped. */
function outcomeCount({ outcomes }: LedgerRow, name: string): number {
  return sum(
    Object.fromEntries(Object.entries(outcomes).filter(([key]) => key === name || key.startsWith(`${name}(`))),
  );
}

const number = (
  title: string,
  value: (row: LedgerRow) => number | null,
  more: Partial<Column<LedgerRow>> = {},
): Column<LedgerRow> => ({
  title,
  value: (row) => value(row)?.toLocaleString('en') ?? '',
  align: 'right',
  ...more,
});

/** Outcomes that are rare enough for `-o wide`. */
const RARE: ReadonlySet<string> = new Set(['interrupted', 'grouped', 'audited']);

const LEDGER: Listing<LedgerRow> = {
  none: 'no sidecar has reported yet',
  columns: [
    { title: 'NODE', value: ({ node }) => node },
    { title: 'SOURCE/HOOK', value: ({ name }) => name },
    number('HEARD', ({ heard }) => heard),
    number('UNMATCHED', ({ unmatched }) => unmatched),
    number('ROUTED', ({ routed }) => routed),
    number('LOST', ({ lost }) => lost, { colour: ({ lost }) => ((lost ?? 0) > 0 ? 'red' : undefined) }),
    ...OUTCOMES.map((name) =>
      number(
        name.toUpperCase(),
        (row) => (row.kind === 'hook' ? outcomeCount(row, name) : null),
        RARE.has(name) ? { wide: true } : {},
      ),
    ),
    number('PENDING', ({ pending }) => pending),
    { title: '', value: balanceText, colour: ({ balanced }) => (balanced ? 'green' : 'red') },
  ],
  flat: ({ outcomes, ...row }) => ({ ...row, ...outcomes }),
};

function balanceText({ balanced, stored, missing, unknown }: LedgerRow): string {
  const words = [
    balanced ? 'balanced' : 'NOT balanced',
    stored ? '' : 'reports on their way',
    missing ? 'older outcomes not in this store' : '',
    unknown === '' ? '' : `unknown ${unknown}`,
  ];
  return words.filter((word) => word !== '').join(', ');
}

/** What the storm asks of the control plane, and what must hold of its ledger. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { TrotlineEvent } from '#core';

import type { EventDetail, NodeLedger } from '../../control-plane/store/types.ts';
import { hookYaml } from '../kit/thread.ts';
import { api } from './kill.ts';

/** A hook on each kind; what happens seldom runs a program, the rest is audited. */
const HOOKS: Readonly<Record<string, string>> = {
  link: 'condition: "event_type == 1", mode: audit',
  addr: 'condition: "event_type == 2", mode: audit',
  route: 'condition: "event_type == 3", mode: audit',
  neigh: 'condition: "event_type == 4", mode: audit',
  rule: 'condition: "event_type == 5", mode: audit',
  netns: 'eventTypes: [netns-added, netns-deleted]',
  loss: 'eventTypes: [overflow, resynced]',
  // A neighbour that needs no resolution (state 64) comes without a message.
  found: 'condition: "netlink.resynced == (1 == 1) AND NOT netlink.neigh.state == 64", mode: audit',
  settled: 'eventTypes: [link-settled, link-flapping], mode: audit',
};

/** Netlink alone: the others are not part of the storm. */
export async function writeHooks(folder: string): Promise<void> {
  const script = join(folder, 'run.sh');
  await writeFile(script, '#!/bin/sh\n', { mode: 0o755 });
  for (const [name, spec] of Object.entries(HOOKS)) {
    const parts = { spec: `source: netlink, ${spec}`, config: `command: [${script}]` };
    await writeFile(join(folder, `${name}.yaml`), hookYaml(name, parts));
  }
}

export async function eventOf(folder: string, id: string): Promise<TrotlineEvent> {
  return (await api<EventDetail>(folder, `/v1/events/${id}`)).event;
}

/** Whether the books balance, and where they do not. */
export function checkedLedger({ ledger, stored }: NodeLedger, overflows: readonly TrotlineEvent[]) {
  const unbalanced: string[] = [];
  let lost = 0;
  for (const source of ledger.sources) {
    const lostHere = sumOf(Object.values(source.lost));
    const accounted = source.unmatched + source.routed + lostHere;
    if (source.heard !== accounted)
      unbalanced.push(`source ${source.source}: heard ${source.heard}, accounted ${accounted}`);
    lost += lostHere;
  }
  const hooks = ledger.hooks.map(({ hook, routed, outcomes, pending }) => {
    const ended = sumOf(Object.values(outcomes));
    if (routed !== ended + pending)
      unbalanced.push(`hook ${hook}: routed ${routed}, ended ${ended}, pending ${pending}`);
    const kept = stored[hook] ?? {};
    const names = new Set([...Object.keys(outcomes), ...Object.keys(kept)]);
    for (const name of names) {
      if ((outcomes[name] ?? 0) !== (kept[name] ?? 0))
        unbalanced.push(`hook ${hook}: ${name} reported and stored differ`);
    }
    return [hook.replace('trotline/', ''), outcomes] as const;
  });
  const told = sumOf(overflows.map(({ attributes }) => Number(attributes['netlink.overflow.lost'])));
  if (told !== lost) unbalanced.push(`losses told ${told}, counted ${lost}`);
  return {
    balanced: unbalanced.length === 0,
    unbalanced,
    lostTold: told,
    lostCounted: lost,
    hooks: Object.fromEntries(hooks),
  };
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, count) => sum + count, 0);
}

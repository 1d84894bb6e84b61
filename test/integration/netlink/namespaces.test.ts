import { describe, expect, it } from 'vitest';

import type { SourceHealth } from '#core';

import { missingForNetlink, scenario } from './run.ts';

const missing = missingForNetlink('network namespaces on a real kernel');
const SCENARIOS = new URL('namespace-scenarios.ts', import.meta.url);

describe.skipIf(missing !== null)('network namespaces on a real kernel', () => {
  it('are told as they come and go, with their inode, and what changes in them has their name', async () => {
    expect(await scenario(SCENARIOS, 'comesAndGoes')).toEqual({
      inode: true,
      events: [
        'link-added blue lo',
        'link-added blue va',
        'link-added blue vb',
        'link-deleted blue lo',
        'link-deleted blue va',
        'link-deleted blue vb',
        'netns-added blue',
        'netns-deleted blue',
      ],
    });
  });

  it('that exist at the start are known, and nothing of them is told but what changes', async () => {
    expect(await scenario(SCENARIOS, 'existing')).toEqual(['link-changed blue va']);
  });

  it('that only a process is in have its name until a file gives them one, and outlive the process by that', async () => {
    expect(await scenario(SCENARIOS, 'ofAProcess')).toEqual({ inode: true, turns: ['lo', 'lo'] });
  });

  it('keep their first name for as long as they are there', async () => {
    const events = await scenario<string[]>(SCENARIOS, 'secondName');
    expect(events).toEqual(['link-up blue lo', 'link-down blue lo', 'link-deleted blue lo', 'netns-deleted blue']);
  });

  it('that come and go faster than anybody looks leave nothing, say what was not heard, and give no other their name', async () => {
    expect(await scenario(SCENARIOS, 'inQuickSuccession')).toEqual([[], ['blue'], ['green'], ['red']]);
  });

  it('are compared each on its own after a loss: what came and went in them is told once', async () => {
    expect(await scenario(SCENARIOS, 'overflow')).toEqual([
      [1, 1],
      [1, 1],
      [1, 1],
    ]);
  });

  it('that may not be entered are heard, and are a gap that is told by name with what that means', async () => {
    const { up, status, reason, hears } = await scenario<SourceHealth & { up: string }>(SCENARIOS, 'withoutEntry');
    expect({ up, status, hears }).toEqual({
      up: 'lo',
      status: 'degraded',
      hears: 'link, addr, route, neigh, rule in all network namespaces',
    });
    expect(reason).toMatch(
      /route, neigh, rule in .*blue.* cannot be listed \(needs CAP_SYS_ADMIN and CAP_SYS_PTRACE\): changes are heard, but after a loss not compared/,
    );
  });

  it('other than the own one are a gap without any capability; the own one is heard all the same, in every family', async () => {
    const seen = await scenario<SourceHealth & { types: string[]; namespaces: string[] }>(SCENARIOS, 'withoutAll');
    const { types, namespaces, status, hears, reason } = seen;
    expect({ namespaces, status, hears }).toEqual({
      namespaces: [''],
      status: 'degraded',
      hears: 'link, addr, route, neigh, rule in this network namespace',
    });
    expect(types).toEqual(
      expect.arrayContaining(['link-added', 'link-up', 'addr-added', 'neigh-added', 'route-added', 'rule-added']),
    );
    expect(reason).toContain(
      "only the sidecar's own network namespace is heard (needs CAP_NET_ADMIN and CAP_NET_BROADCAST)",
    );
  });
});

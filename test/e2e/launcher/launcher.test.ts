/** The sidecar without a capability, started by the launcher, in namespaces of its own. */
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import { inNetns, netnsMissing } from '../../kit/netns.ts';

const SCENARIOS = fileURLToPath(new URL('./scenarios.ts', import.meta.url));
const missing = netnsMissing() ?? (process.getuid?.() === 0 ? null : 'changing the user needs root');
if (missing !== null) console.warn(`N36: the sidecar under the launcher is skipped: ${missing}`);
if (missing !== null && process.env['CI'] === 'true') throw new Error(missing);

/** CAP_NET_ADMIN and CAP_NET_BROADCAST. */
const OPENER = '1800';
/** CAP_SETUID, CAP_SETGID and CAP_KILL. */
const SPAWNER = 'e0';

async function scenario(name: string): Promise<Record<string, unknown>> {
  const { lines, stderr } = await inNetns<Record<string, unknown>>(SCENARIOS, [name], {
    timeoutMs: 110_000,
    ownProcesses: true,
  });
  const [result] = lines;
  if (!result) throw new Error(`the scenario said nothing: ${stderr}`);
  return result;
}

describe.skipIf(missing !== null)('the sidecar under the launcher', () => {
  it('N36: has no capability in any thread, its helpers what they need, its programs none', async () => {
    const { sets, nodeThreads, ...seen } = await scenario('least');
    const none = '0 0 0 0';
    expect(sets).toEqual({
      'trotline-launch': [`0 18${SPAWNER} 18${SPAWNER} 0`],
      'trotline-opener': [`0 ${OPENER} ${OPENER} 0`],
      'trotline-spawne': [`0 ${SPAWNER} ${SPAWNER} 0`],
      MainThread: [none],
    });
    expect(nodeThreads).toBeGreaterThan(4);
    expect(seen).toMatchObject({
      namespace: 'blue',
      program: { user: 'daemon', sets: none },
      users: ['nobody'],
      newPrivileges: ['1', '1', '1', '1'],
      exit: 0,
    });
    expect(seen['health']).toMatch(/^degraded: route, neigh, rule in blue cannot be listed \(needs CAP_SYS_ADMIN/);
  });

  it('N36: is the same where a service manager gave the launcher its user and capabilities', async () => {
    const { sets, ...seen } = await scenario('given');
    const none = '0 0 0 0';
    expect(sets).toMatchObject({
      'trotline-opener': [`0 ${OPENER} ${OPENER} 0`],
      'trotline-spawne': [`0 ${SPAWNER} ${SPAWNER} 0`],
      MainThread: [none],
    });
    expect(seen).toEqual({ namespace: 'blue', program: { user: 'daemon', sets: none }, exit: 0 });
  });

  it('N36: goes on with what it was given, and says what that is too little for', async () => {
    expect(await scenario('lacking')).toMatchObject({
      namespace: '',
      attempt: { status: 'rejected', reason: expect.stringContaining('setgroups') },
      health: expect.stringMatching(/^degraded: .*needs CAP_NET_ADMIN and CAP_NET_BROADCAST/),
      exit: 0,
    });
  });

  it('N36: hears every namespace whole where the opener may look into them', async () => {
    // CAP_SYS_PTRACE and CAP_SYS_ADMIN beside the others.
    expect(await scenario('most')).toEqual({ opener: ['0 281800 281800 0'], health: 'ok: ', exit: 0 });
  });

  it('goes on with new helpers when they are killed', async () => {
    expect(await scenario('helpersKilled')).toEqual({ namespace: 'blue', openers: 2, spawners: 2, exit: 0 });
  });

  it('drains when launcher and sidecar are told to end at once', async () => {
    expect(await scenario('signalledTogether')).toEqual({ exit: 0, stopped: true });
  });

  it('drains and ends, helpers and all, when the launcher is killed', async () => {
    expect(await scenario('launcherKilled')).toEqual({ drained: true });
  });
});

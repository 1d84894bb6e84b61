import { setImmediate as turn } from 'node:timers/promises';

import { describe, expect, it } from 'vitest';

import { hookId } from '#core';

import type { HookRegistry } from '../../../../control-plane/config/hook-registry.ts';
import { SidecarRegistry } from '../../../../control-plane/config/sidecar-registry.ts';
import type { KubernetesApi } from '../../../../control-plane/kubernetes/api.ts';
import type { HookResources } from '../../../../control-plane/kubernetes/hook-resources.ts';
import { Incidents } from '../../../../control-plane/kubernetes/incidents.ts';
import { StatusWriter } from '../../../../control-plane/kubernetes/status-writer.ts';
import { eventOf, silentLog } from '../../../kit/action-context.ts';
import { virtualClock } from '../../../kit/replay/virtual-clock.ts';
import { readTexts } from '../kit.ts';

const HOOKS = 30;
const EVENTS = 1000;
const names = Array.from({ length: HOOKS }, (_, at) => `doctor-${at}`);

/** Hooks of khook whose status goes to an API server that only notes what it is asked. */
function written() {
  const { hooks } = readTexts(
    Object.fromEntries(
      names.map((name) => [
        `Hook shop/${name}`,
        JSON.stringify({
          apiVersion: 'kagent.dev/v1alpha2',
          kind: 'Hook',
          metadata: { name, namespace: 'shop' },
          spec: { eventConfigurations: [{ eventType: 'oom-kill', agentRef: { name: 'doctor' }, prompt: 'x' }] },
        }),
      ]),
    ),
  );
  const byId = new Map(hooks.map((hook) => [hookId(hook), hook]));
  const registry = { current: { byId, hooks, refused: [], set: { hooks, problems: [] } } } as unknown as HookRegistry;
  const clock = virtualClock(0);
  const asked: { readonly at: number; readonly method: string; readonly path: string; readonly body: unknown }[] = [];
  const api = {
    request: async (method: string, path: string, body: unknown) => {
      asked.push({ at: clock.now(), method, path, body });
      return {};
    },
  } as unknown as KubernetesApi;
  const resources = names.map((name) => ({
    kind: 'Hook',
    namespace: 'shop',
    name,
    uid: name,
    generation: 1,
    status: {},
    laterWriter: '',
    file: `Hook shop/${name}`,
    issues: [],
  }));
  const incidents = new Incidents(registry, clock);
  const writer = new StatusWriter({
    api: async () => api,
    resources: { resources } as unknown as HookResources,
    hooks: registry,
    sidecars: new SidecarRegistry(clock),
    incidents,
    clock,
    log: silentLog,
  });
  /** So much time goes by; what is due is done. */
  const pass = async (ms: number): Promise<void> => {
    const end = clock.now() + ms;
    while (clock.now() < end) {
      // Each request of a look is a turn or two.
      for (let turns = 0; turns < 100; turns += 1) await turn();
      clock.moveTo(Math.min(end, clock.due));
    }
  };
  return { writer, incidents, asked, pass };
}

describe('the status of Hooks', () => {
  it('H17: of a thousand events at once is written at the pace that the API server is promised, and right at the end', async () => {
    const { writer, incidents, asked, pass } = written();
    await writer.start();
    await pass(2000);
    expect(asked.filter(({ method }) => method === 'PATCH')).toHaveLength(HOOKS);
    for (let at = 0; at < EVENTS; at += 1) {
      const name = `web-${at}`;
      const event = eventOf({
        id: `e${at}`,
        type: 'kubernetes.oom-kill',
        source: 'kubernetes',
        subject: `shop/${name}`,
        attributes: { name, uid: name },
      });
      const hook = `shop/doctor-${at % HOOKS}.oom-kill`;
      const common = {
        sequence: at,
        eventId: event.id,
        hook,
        reason: '',
        uncoordinated: false,
        timeMs: 0,
        attempts: [],
      };
      incidents.stored({
        events: [event],
        outcomes: [{ ...common, outcome: 'delivered' }],
        progress: [],
        ledger: null,
      });
    }
    const before = asked.length;
    await pass(30_000);
    await writer.stop();
    const perLook = Map.groupBy(asked, ({ at, method }) => `${method} ${Math.floor(at / 250)}`);
    expect(Math.max(...[...perLook.values()].map(({ length }) => length))).toBeLessThanOrEqual(10);
    // Two audits for each event, of which the newest thousand wait and are told; one status for each Hook.
    expect(asked.slice(before).filter(({ method }) => method === 'POST')).toHaveLength(1000);
    const last = new Map(asked.filter(({ method }) => method === 'PATCH').map(({ path, body }) => [path, body]));
    const active = [...last.values()].map(
      (body) => (body as { status: { activeEvents: object[] } }).status.activeEvents,
    );
    expect(active.map(({ length }) => length).reduce((sum, length) => sum + length, 0)).toBe(EVENTS);
    expect(asked.slice(before).filter(({ method }) => method === 'PATCH').length).toBeLessThanOrEqual(HOOKS);
  });
});

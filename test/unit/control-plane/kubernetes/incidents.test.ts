import { describe, expect, it } from 'vitest';

import { createHook, hookId, type OutcomeName, type TrotlineEvent } from '#core';

import type { HookRegistry } from '../../../../control-plane/config/hook-registry.ts';
import { Incidents } from '../../../../control-plane/kubernetes/incidents.ts';
import { eventOf, manualClock } from '../../../kit/action-context.ts';
import { readTexts } from '../kit.ts';

const FILE = 'Hook shop/doctor';
const HOOK = JSON.stringify({
  apiVersion: 'kagent.dev/v1alpha2',
  kind: 'Hook',
  metadata: { name: 'doctor', namespace: 'shop' },
  spec: { eventConfigurations: [{ eventType: 'oom-kill', agentRef: { name: 'doctor' }, prompt: 'x' }] },
});
const oom = (id: string, uid = 'u1'): TrotlineEvent =>
  eventOf({
    id,
    type: 'kubernetes.oom-kill',
    source: 'kubernetes',
    subject: 'shop/web',
    attributes: { name: 'web', uid },
  });

function followed() {
  const { hooks, refused } = readTexts({ [FILE]: HOOK });
  if (refused.length > 0) throw new Error(JSON.stringify(refused));
  const others = hooks.map((hook) => createHook({ ...hook, name: 'native', form: 'EventHook' }));
  const byId = new Map([...hooks, ...others].map((hook) => [hookId(hook), hook]));
  const registry = { current: { byId } } as unknown as HookRegistry;
  const clock = manualClock();
  const incidents = new Incidents(registry, clock);
  const report = (event: TrotlineEvent, outcome: OutcomeName, reason = '', hook = 'shop/doctor.oom-kill'): void =>
    incidents.stored({
      events: [event],
      outcomes: [
        { sequence: 1, eventId: event.id, hook, outcome, reason, uncoordinated: false, timeMs: 0, attempts: [] },
      ],
      progress: [],
      ledger: null,
    });
  const told = () => incidents.takeAudits().map(({ reason, type, message }) => `${type} ${reason}: ${message}`);
  return { clock, incidents, report, told, active: () => incidents.active(FILE) };
}

describe("the incidents of khook's Hooks", () => {
  it('H18: are told as they fire, are answered, come again and fail', () => {
    const { report, told } = followed();
    report(oom('e1'), 'delivered');
    report(oom('e2'), 'deduplicated');
    report(oom('e3', 'u2'), 'rejected', 'agent failed: no idea');
    report(oom('e4', 'u3'), 'dropped', 'journal-full');
    expect(told()).toEqual([
      'Normal EventFiring: oom-kill of web: agent shop/doctor is asked',
      'Normal AgentCallSuccess: agent shop/doctor answered for oom-kill of web (request )',
      'Normal DuplicateEventIgnored: oom-kill of web is answered already',
      'Normal EventFiring: oom-kill of web: agent shop/doctor is asked',
      'Warning AgentCallFailure: agent shop/doctor for oom-kill of web: rejected: agent failed: no idea',
      'Normal EventFiring: oom-kill of web: agent shop/doctor is asked',
      'Warning EventProcessingError: agent shop/doctor for oom-kill of web: dropped: journal-full',
    ]);
    expect(told()).toEqual([]);
  });

  it('H17: are active until their window is over, then resolved, then gone', () => {
    const { clock, report, told, active } = followed();
    report(oom('e1'), 'delivered');
    expect(active()).toMatchObject([{ eventType: 'oom-kill', resourceName: 'web', status: 'firing' }]);
    clock.advance(599_000);
    report(oom('e2'), 'expired');
    expect(active()[0]?.lastSeen).not.toBe(active()[0]?.firstSeen);
    clock.advance(1000);
    expect(active()).toMatchObject([{ status: 'resolved' }]);
    expect(told().at(-1)).toBe('Normal EventResolved: oom-kill of web resolved');
    clock.advance(60_000);
    expect(active()).toEqual([]);
  });

  it('H17: are resolved when their pod has recovered, and no other', () => {
    const { incidents, report, told, active } = followed();
    report(oom('e1'), 'delivered');
    report(oom('e2', 'u2'), 'delivered');
    told();
    const recovered = { ...oom('r1'), type: 'kubernetes.pod-recovered' };
    incidents.stored({ events: [recovered], outcomes: [], progress: [], ledger: null });
    expect(active().map(({ status }) => status)).toEqual(['resolved', 'firing']);
    expect(told()).toEqual(['Normal EventResolved: oom-kill of web resolved']);
    report(oom('e3'), 'delivered');
    expect(told()[0]).toBe('Normal EventFiring: oom-kill of web: agent shop/doctor is asked');
  });

  it('are of no other hook, and of no event that nobody knows', () => {
    const { incidents, report, told, active } = followed();
    report(oom('e1'), 'delivered', '', 'shop/native');
    incidents.stored({
      events: [],
      outcomes: [],
      progress: [{ eventId: 'gone', hook: 'shop/doctor.oom-kill', attempts: [], waitsFor: '', nextAttemptMs: 0 }],
      ledger: null,
    });
    expect(told()).toEqual([]);
    expect(active()).toEqual([]);
  });
});

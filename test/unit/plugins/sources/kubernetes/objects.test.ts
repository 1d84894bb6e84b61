import { describe, expect, it } from 'vitest';

import {
  podEventType,
  normalEventType,
  occurrence,
} from '../../../../../plugins/sources/kubernetes/facts/event-facts.ts';
import { eventOf, podOf } from '../../../../../plugins/sources/kubernetes/objects.ts';

const event = (parts: Record<string, unknown>) =>
  eventOf({
    metadata: { uid: 'e1', creationTimestamp: '2026-01-02T02:00:00Z' },
    involvedObject: { kind: 'Pod', name: 'web' },
    type: 'Warning',
    ...parts,
  });

describe('an Event', () => {
  it.each([
    ['OOMKilling', '', 'oom-kill'],
    ['OOMKilled', '', 'oom-kill'],
    ['Killing', 'Memory cgroup Out Of Memory', 'oom-kill'],
    ['killed', 'OOM', 'oom-kill'],
    ['Killing', 'Stopping container main', 'pod-restart'],
    ['Killed', '', 'pod-restart'],
    ['BackOff', 'Back-off restarting failed container', 'pod-restart'],
    ['Failed', 'Error: failed to start Container', 'pod-restart'],
    ['FailedScheduling', '0/3 nodes are available', 'pod-pending'],
    ['Pending', '', 'pod-pending'],
    ['Anything', 'the pod is still Pending', 'pod-pending'],
    ['Unhealthy', 'Liveness probe failed: 500', 'probe-failed'],
    ['Unhealthy', 'READINESS probe failed', 'probe-failed'],
    ['Unhealthy', 'Startup probe failed', 'probe-failed'],
    ['ProbeWarning', 'whatever', 'probe-failed'],
    ['Unhealthy', 'something else', null],
    ['Unhealthy', 'Readiness probe errored: rpc error', null],
    ['Scheduled', 'assigned', null],
  ])('H3: %s "%s" is %s', (reason, message, type) => {
    expect(podEventType(event({ reason, message }))).toBe(type);
  });

  it('H3: of type Normal means nothing, but for what only such Events tell', () => {
    expect(normalEventType(event({ reason: 'Killing', message: 'oom' }))).toBe(null);
    expect(normalEventType(event({ reason: 'Preempted' }))).toBe('pod-evicted');
    expect(normalEventType(event({ reason: 'DeadlineExceeded' }))).toBe('pod-failed');
  });

  it.each([
    [{ lastTimestamp: '2026-01-02T03:00:00Z', count: 4 }, '2026-01-02T03:00:00.000Z'],
    [{ lastTimestamp: null, firstTimestamp: null, eventTime: '2026-01-02T03:00:00.5Z' }, '2026-01-02T03:00:00.500Z'],
    [
      { eventTime: '2026-01-02T03:00:00Z', series: { count: 2, lastObservedTime: '2026-01-02T03:30:00Z' } },
      '2026-01-02T03:30:00.000Z',
    ],
    [{}, '2026-01-02T02:00:00.000Z'],
  ])('H4: %j happened last at %s', (parts, at) => {
    expect(new Date(event(parts).at).toISOString()).toBe(at);
  });

  it('H6: raised in its count or its series is another occurrence', () => {
    const occurrences = [{ count: 1 }, { count: 2 }, { series: { count: 1 } }, { series: { count: 2 } }].map((parts) =>
      occurrence(event(parts)),
    );
    expect(new Set(occurrences).size).toBe(4);
  });
});

describe('an object of the API server', () => {
  it.each([{}, { metadata: null, status: 'x' }, { status: { containerStatuses: [null, 7, { name: 5, state: [] }] } }])(
    'is read whatever it looks like: %j',
    (object) => {
      expect(podOf(object).kind).toBe('Pod');
      expect(eventOf(object).kind).toBe('Event');
    },
  );
});

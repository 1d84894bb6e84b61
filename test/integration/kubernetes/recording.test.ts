/** Rows K1–K14: a recorded cluster with a real kubelet, replayed as an API server's watches (spec kubelet). */
import { beforeAll, describe, expect, it } from 'vitest';

import type { Replayed } from '../../kit/replay/replay.ts';
import { factsOf, replayed, scenario, secondsOf, shortTypes, truth } from './kit.ts';

let events: readonly Replayed[] = [];
const ofType = (type: string): Replayed[] => events.filter((event) => event.type === `kubernetes.${type}`);
const endsOf = (id: string): Replayed[] =>
  events.filter(
    ({ type, container_id: container }) => /container-exit|oom-kill/.test(type) && String(container).endsWith(id),
  );

beforeAll(async () => {
  events = await replayed();
}, 60_000);

describe('a recorded cluster', () => {
  it('K1: each container end that status told is one event, however many lines told it', () => {
    const told = truth().filter(({ told }) => told.length > 0);
    expect(told).toHaveLength(123);
    expect(told.filter(({ id }) => endsOf(id).length !== 1)).toEqual([]);
    expect(told.filter(({ id, told: [first] }) => endsOf(id)[0]?.exit_code !== first?.exitCode)).toEqual([]);
  });

  it('K1: an end that no status told makes no event', () => {
    const untold = truth().filter(({ told }) => told.length === 0);
    expect(untold.length).toBeGreaterThan(0);
    expect(untold.filter(({ id }) => endsOf(id).length > 0)).toEqual([]);
  });

  it('K2: oom-kill is the reason OOMKilled of a pod that is not being deleted, whatever the exit code', () => {
    const killed = truth().filter(({ pod, told }) => told[0]?.reason === 'OOMKilled' && pod !== 'oom-child-survives');
    expect(ofType('oom-kill')).toHaveLength(killed.length);
    expect(killed.filter(({ id }) => endsOf(id)[0]?.type !== 'kubernetes.oom-kill')).toEqual([]);
    expect(scenario(events, 'oom-child-exit3')[0]).toMatchObject({ exit_code: 3 });
    expect(scenario(events, 'oom-child-exit0')[0]).toMatchObject({ exit_code: 0 });
    expect(shortTypes(scenario(events, 'oom-child-survives'))).toEqual(['container-exit']);
    expect(shortTypes(scenario(events, 'sigkill-not-oom'))).not.toContain('oom-kill');
    expect(shortTypes(scenario(events, 'exit137-not-oom'))).toEqual(['container-exit', 'pod-failed']);
  });

  it('K3: what is deleted, scaled down or done is no fault, and a loop of exits with 0 is', () => {
    const faults = (name: string) => scenario(events, name).filter(({ fault }) => fault === true);
    expect(shortTypes(faults('healthy'))).toEqual(['image-pull-failed']);
    expect(faults('slow-term')).toEqual([]);
    expect(faults('state-0')).toEqual([]);
    expect(faults('job-deadline')).toEqual([]);
    expect(scenario(events, 'sigkill-not-oom').find(({ container }) => container === 'killer')?.fault).toBe(false);
    expect(
      scenario(events, 'crash-exit0').filter(({ type, fault }) => type.endsWith('exit') && fault !== true),
    ).toEqual([]);
    expect(shortTypes(faults('crash-exit0'))).toContain('crash-loop');
  });

  it('K4: a restart is told when only the count rises, and by how many', () => {
    expect(scenario(events, 'crash-once').find(({ type }) => type === 'kubernetes.pod-restart')).toMatchObject({
      restart_count: 1,
      restarts: 1,
      exit_code: 5,
    });
    const restarts = ofType('pod-restart').filter(({ subject }) => subject === 'lab/liveness-http');
    const told = restarts.reduce((sum, { restarts }) => sum + Number(restarts), 0);
    expect(told).toBe(Math.max(...restarts.map(({ restart_count: count }) => Number(count))));
    expect(new Set(restarts.map(({ restart_count: count }) => count)).size).toBe(restarts.length);
  });

  it('K5: init containers count like the others, and say what they are', () => {
    for (const name of ['oom-init', 'init-crash']) {
      const ends = scenario(events, name).filter(({ type }) => /exit|oom/.test(type));
      expect(ends.length).toBeGreaterThan(5);
      expect(new Set(ends.map(({ container_kind: kind }) => kind))).toEqual(new Set(['init']));
    }
  });

  it('K6: a crash loop goes on being told after the Events have fallen silent', () => {
    const loop = scenario(events, 'crash-exit1');
    expect(
      loop
        .filter(({ type }) => type.endsWith('pod-restart'))
        .map(secondsOf)
        .at(-1),
    ).toBeGreaterThan(500);
    expect(loop.filter(({ type }) => type.endsWith('crash-loop')).length).toBeGreaterThan(8);
  });

  it('K7: a waiting reason in free text is kept as text and makes no class of its own', () => {
    const told = scenario(events, 'poststart-fails');
    expect(new Set(shortTypes(told))).toEqual(new Set(['container-exit', 'pod-restart', 'crash-loop']));
    expect(told.filter(({ type }) => type.endsWith('exit')).map(({ exit_code: code }) => code)).not.toContain(0);
  });

  it('K8: repetitions in every notation are one incident', () => {
    for (const name of ['unschedulable-cpu', 'unschedulable-pvc'])
      expect(shortTypes(scenario(events, name)), name).toEqual(['pod-pending']);
    const noisy = scenario(events, 'readiness-noisy');
    expect(new Set(noisy.map(({ type, uid }) => `${type} ${String(uid)}`)).size).toBe(1);
    expect(noisy.some(({ 'event.count': count }) => count === 164)).toBe(true);
    expect(noisy.filter(({ message }) => String(message).startsWith('(combined'))).toEqual([]);
  });

  it('K9: a failed probe says whether the container became unready or was killed', () => {
    const of = (name: string) => scenario(events, name).filter(({ type }) => type.endsWith('probe-failed'));
    const flaky = of('readiness-flaky').filter((event) => secondsOf(event) < 240);
    expect(flaky.length).toBeGreaterThan(15);
    expect(flaky.filter((event) => event['probe.unready'] === true)).toEqual([]);
    expect(of('readiness-exec').filter((event) => event['probe.unready'] === true).length).toBeGreaterThan(5);
    for (const name of ['liveness-http', 'liveness-exec-timeout', 'startup-tcp'])
      expect(of(name).filter((event) => event['probe.killed'] === true).length, name).toBeGreaterThan(2);
    expect(of('readiness-exec').some((event) => event['probe.killed'] === true)).toBe(false);
  });

  it('K10: a kubelet that restarts, a stopped runtime and a silent node are one node event each', () => {
    const told = events.filter(({ type }) => type.startsWith('kubernetes.node-'));
    expect(told.map((event) => [event.type.slice(11), Math.round(secondsOf(event))])).toEqual([
      ['node-not-ready', 246],
      ['node-pressure', 280],
      ['node-not-ready', 417],
      ['node-not-ready', 519],
    ]);
  });

  it('K10: and no fault of the pods that go on', () => {
    const within = (from: number, to: number) => (event: Replayed) => secondsOf(event) > from && secondsOf(event) < to;
    const calm = [
      'lab/healthy',
      'lab/daemon',
      'lab/crash-recovers',
      'lab/pull-never',
      'lab/config-missing',
      'lab/tolerates',
    ];
    for (const [from, to] of [
      [239, 275],
      [389, 460],
      [479, 580],
    ] as const) {
      const faults = events
        .filter(({ type, fault }) => fault === true && type !== 'kubernetes.event')
        .filter(within(from, to));
      expect(faults.filter(({ subject }) => calm.some((name) => subject.startsWith(name)))).toEqual([]);
    }
    expect(ofType('probe-failed').filter(({ message }) => /errored/.test(String(message)))).toEqual([]);
    expect(ofType('image-pull-failed').filter(({ reason }) => reason === 'ImageInspectError')).toEqual([]);
  });

  it('K11: evicted, preempted, refused and overdue pods are told with their reason', () => {
    const told = (name: string) =>
      scenario(events, name)
        .filter(({ type }) => /evicted|failed/.test(type))
        .map(({ type, reason }) => [type.slice(11), reason]);
    expect(told('evicted-emptydir')).toEqual([['pod-evicted', 'Evicted']]);
    expect(told('evicted-ephemeral')).toEqual([['pod-evicted', 'Evicted']]);
    expect(told('preempt-low')).toEqual([['pod-evicted', 'Preempted']]);
    expect(told('refused-outofcpu')).toEqual([['pod-failed', 'OutOfcpu']]);
    expect(told('refused-affinity')).toEqual([['pod-failed', 'NodeAffinity']]);
    expect(told('deadline-exceeded')).toEqual([['pod-failed', 'DeadlineExceeded']]);
    expect(told('sandbox-fails')).toEqual([['pod-evicted', 'Evicted']]);
  });

  it('K12: nothing is told twice, whoever tells it', () => {
    const facts = events.filter(({ type }) => type !== 'kubernetes.event');
    expect(new Set(facts.map(({ id }) => id)).size).toBe(facts.length);
    const restarts = ofType('pod-restart').map(
      ({ uid, container, restart_count: count }) => `${String(uid)} ${String(container)} ${String(count)}`,
    );
    expect(new Set(restarts).size).toBe(restarts.length);
  });

  it('K13: the same name with another uid is another incident', () => {
    const uids = new Set(
      ofType('event')
        .filter(({ subject }) => subject === 'lab/state-0')
        .map(({ uid }) => uid),
    );
    expect(uids.size).toBeGreaterThan(1);
  });

  it('K14: Jobs, quotas and ReplicaSets that cannot create pods are there as Events, with their owners', () => {
    const warnings = ofType('event').filter((event) => event['event.type'] === 'Warning');
    const of = (kind: string) => warnings.filter((event) => event['involved.kind'] === kind);
    expect(new Set(of('Job').map(({ reason }) => reason))).toEqual(
      new Set(['BackoffLimitExceeded', 'DeadlineExceeded']),
    );
    const [quota] = of('ReplicaSet');
    expect(quota).toMatchObject({ reason: 'FailedCreate', owner: 'Deployment/quota-exceeded' });
    expect(scenario(events, 'crash-exit1')[0]).toMatchObject({ owner: 'Deployment/crash-exit1' });
    expect(scenario(events, 'job-backoff')[0]).toMatchObject({ owner: 'Job/job-backoff' });
  });
});

describe('the same cluster, told worse', () => {
  it('K12: the same facts, with Events a minute late, watches closed and connections cut', async () => {
    const [late, closed] = await Promise.all([
      replayed({ delays: { events: 60_000 } }),
      replayed({ delays: { pods: 60_000 }, closeAfter: 40, cutEvery: 45_000 }),
    ]);
    expect(factsOf(late)).toEqual(factsOf(events));
    expect(factsOf(closed)).toEqual(factsOf(events));
  }, 120_000);
});

/** Pods that fail as pods do, and what must be told of each. */
import type { Json } from '../kit/chart.ts';

export interface Fault {
  readonly name: string;
  /** Event types that must be told, each once. */
  readonly told: readonly string[];
  readonly spec: Json;
}

const IMAGE = 'docker.io/library/busybox:1.35';

function container(script: string, parts: Json = {}): Json {
  return { name: 'main', image: IMAGE, imagePullPolicy: 'Never', command: ['sh', '-c', script], ...parts };
}

const RUNS = 'trap "exit 0" TERM; while :; do sleep 1; done';

export const FAULTS: readonly Fault[] = [
  { name: 'crash', told: ['pod-restart'], spec: { containers: [container('sleep 2; exit 3')] } },
  {
    name: 'out-of-memory',
    told: ['oom-kill', 'pod-restart'],
    spec: {
      containers: [
        container('sleep 2; exec tail /dev/zero', {
          resources: { limits: { memory: '24Mi' }, requests: { memory: '24Mi' } },
        }),
      ],
    },
  },
  {
    name: 'unschedulable',
    told: ['pod-pending'],
    spec: { nodeSelector: { 'trotline.dev/no-such': 'node' }, containers: [container(RUNS)] },
  },
  {
    name: 'stuck-init',
    told: ['pod-pending'],
    spec: { initContainers: [{ ...container('sleep 3600'), name: 'wait' }], containers: [container(RUNS)] },
  },
  {
    name: 'unready',
    told: ['probe-failed'],
    spec: { containers: [container(RUNS, { readinessProbe: { exec: { command: ['false'] }, periodSeconds: 2 } })] },
  },
  {
    name: 'not-alive',
    told: ['probe-failed', 'pod-restart'],
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [
        container(RUNS, {
          livenessProbe: {
            exec: { command: ['false'] },
            initialDelaySeconds: 3,
            periodSeconds: 2,
            failureThreshold: 1,
          },
        }),
      ],
    },
  },
  {
    name: 'no-image',
    told: ['image-pull-failed', 'pod-pending'],
    spec: { containers: [container(RUNS, { image: 'registry.invalid/none:1', imagePullPolicy: 'Always' })] },
  },
  { name: 'well', told: [], spec: { containers: [container(RUNS)] } },
];

export function podOf({ name, spec }: Fault, namespace: string): Json {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: { app: name } },
    spec: { terminationGracePeriodSeconds: 1, ...spec },
  };
}

import { Choice, Duration, LEASE_NAME, Type } from '#core';

/** Every event type of this source. */
export const eventTypes = [
  'kubernetes.pod-restart',
  'kubernetes.oom-kill',
  'kubernetes.pod-pending',
  'kubernetes.image-pull-failed',
  'kubernetes.crash-loop',
  'kubernetes.pod-evicted',
  'kubernetes.pod-failed',
  'kubernetes.container-exit',
  'kubernetes.pod-recovered',
  'kubernetes.probe-failed',
  'kubernetes.node-not-ready',
  'kubernetes.node-pressure',
  'kubernetes.event',
  'kubernetes.watch-gap',
] as const;

export const config = Type.Object(
  {
    role: Choice(['node', 'cluster'], {
      default: 'node',
      description:
        'node: the pods of this node; cluster: Events, pods without a node and Nodes, one of several elected.',
    }),
    kubeconfig: Type.Optional(
      Type.String({
        pattern: '^/',
        description: "File that says where the API server is and who we are. Default: the pod's service account.",
      }),
    ),
    pendingAfter: Duration({
      default: '1m',
      minimum: '1s',
      description: 'A pod that has its node and is not started for so long makes `kubernetes.pod-pending`.',
    }),
    staleAfter: Duration({
      default: '15m',
      minimum: '1m',
      description: 'What happened longer ago makes no event when it is first seen.',
    }),
    agentManagers: Type.Array(Type.String({ minLength: 1, pattern: '^[^A-Z]+$', 'x-expected': 'small letters' }), {
      default: ['kagent', 'trotline'],
      description:
        'Beginnings of field managers by which agents change objects: what follows from that is told with `depth`, and answered a few times only (`loop` of a hook).',
    }),
    agentChangeWithin: Duration({
      default: '1h',
      minimum: '1m',
      description: 'How long after its change by an agent what happens to an object counts as its consequence.',
    }),
    lease: Type.String({
      default: 'trotline/trotline-cluster',
      pattern: LEASE_NAME,
      'x-expected': 'namespace/name',
      description: 'With `role: cluster`: the Lease by which one is elected.',
    }),
  },
  { additionalProperties: false },
);

/** What a kubelet, a scheduler and people would write, against a real API server. */
import type { ApiServer } from '../../kit/api-server.ts';

type Json = Readonly<Record<string, unknown>>;

export const NODE = 'node-1';
export const now = (secondsAgo = 0): string =>
  new Date(Date.now() - secondsAgo * 1000).toISOString().replace(/\.\d+Z$/, 'Z');

export class Cluster {
  readonly api: ApiServer;
  readonly namespace: string;

  constructor(api: ApiServer, namespace: string) {
    this.api = api;
    this.namespace = namespace;
  }

  static async with(api: ApiServer, namespace: string): Promise<Cluster> {
    await api.request('POST', '/api/v1/namespaces', { metadata: { name: namespace } });
    return new Cluster(api, namespace);
  }

  /** Created, bound to the node and running, ready; resolves with its uid. */
  async pod(
    name: string,
    parts: {
      readonly labels?: Json;
      readonly owner?: Json;
      readonly nodeName?: string;
      readonly serviceAccount?: string;
    } = {},
  ): Promise<string> {
    const { labels = { app: name }, owner, nodeName = NODE, serviceAccount = 'default' } = parts;
    const pod = await this.api.request('POST', this.#path('pods'), {
      metadata: { name, labels, ...(owner ? { ownerReferences: [owner] } : {}) },
      spec: {
        serviceAccountName: serviceAccount,
        ...(nodeName === '' ? {} : { nodeName }),
        containers: [{ name: 'main', image: 'shop/web:1' }],
      },
    });
    if (nodeName !== '') await this.status(name, { phase: 'Running', ...this.running(0) });
    return String((pod.metadata as Json).uid);
  }

  /** A token as the kubelet projects it, bound to the pod; null: to none. */
  async token(
    serviceAccount: string,
    pod: string | null,
    audiences: readonly string[] = ['trotline'],
  ): Promise<string> {
    const bound = pod === null ? null : await this.api.request('GET', `${this.#path('pods')}/${pod}`);
    const { uid } = (bound?.metadata ?? {}) as { uid?: string };
    const boundObjectRef = bound ? { kind: 'Pod', apiVersion: 'v1', name: pod, uid } : undefined;
    const answer = await this.api.request('POST', `${this.#path('serviceaccounts')}/${serviceAccount}/token`, {
      spec: { audiences, expirationSeconds: 600, ...(boundObjectRef ? { boundObjectRef } : {}) },
    });
    return String((answer.status as Json).token);
  }

  status(name: string, status: Json): Promise<Json> {
    return this.api.patch(`${this.#path('pods')}/${name}/status`, { status });
  }

  running(restartCount: number, lastState: Json = {}): Json {
    return {
      conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: now() }],
      containerStatuses: [
        {
          name: 'main',
          image: 'shop/web:1',
          imageID: '',
          ready: true,
          restartCount,
          containerID: `containerd://run-${restartCount}`,
          state: { running: { startedAt: now() } },
          lastState,
        },
      ],
    };
  }

  /** As the kubelet writes it when the container ended so, and is started again. */
  restarted(name: string, count: number, end: Json = {}): Promise<Json> {
    const times = { startedAt: now(5), finishedAt: now() };
    const terminated = { exitCode: 1, reason: 'Error', containerID: `containerd://${name}-${count}`, ...times, ...end };
    return this.status(name, this.running(count, { terminated }));
  }

  /** A core/v1 Event of a kubelet about a pod. */
  event(pod: string, reason: string, message: string, parts: Json = {}): Promise<Json> {
    return this.api.request('POST', this.#path('events'), {
      metadata: { generateName: `${pod}.` },
      involvedObject: { kind: 'Pod', namespace: this.namespace, name: pod, uid: `uid-${pod}`, apiVersion: 'v1' },
      reason,
      message,
      type: 'Warning',
      source: { component: 'kubelet', host: NODE },
      firstTimestamp: now(),
      lastTimestamp: now(),
      count: 1,
      ...parts,
    });
  }

  raise(event: Json, count: number): Promise<Json> {
    const { name } = event.metadata as { name: string };
    return this.api.patch(`${this.#path('events')}/${name}`, { count, lastTimestamp: now() });
  }

  #path(collection: string): string {
    return `/api/v1/namespaces/${this.namespace}/${collection}`;
  }
}

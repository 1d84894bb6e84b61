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
      readonly annotations?: Json;
      readonly owner?: Json;
      readonly nodeName?: string;
      readonly serviceAccount?: string;
    } = {},
  ): Promise<string> {
    const { labels = { app: name }, annotations = {}, owner, nodeName = NODE, serviceAccount = 'default' } = parts;
    const pod = await this.api.request('POST', this.#path('pods'), {
      metadata: { name, labels, annotations, ...(owner ? { ownerReferences: [owner] } : {}) },
      spec: {
        serviceAccountName: serviceAccount,
        ...(nodeName === '' ? {} : { nodeName }),
        containers: [{ name: 'main', image: 'shop/web:1' }],
      },
    });
    if (nodeName !== '') await this.status(name, { phase: 'Running', ...this.running(0) });
    return String((pod.metadata as Json).uid);
  }

  /** Made by this field manager; resolves with what names it as an owner. */
  deployment(name: string, manager = 'kubectl-client-side-apply'): Promise<Json> {
    return this.#workload('deployments', 'Deployment', name, [], manager);
  }

  replicaSet(name: string, owner: Json): Promise<Json> {
    return this.#workload('replicasets', 'ReplicaSet', name, [owner], 'kube-controller-manager');
  }

  async #workload(plural: string, kind: string, name: string, owners: readonly Json[], manager: string): Promise<Json> {
    const apiVersion = 'apps/v1';
    const labels = { app: name };
    const path = `/apis/${apiVersion}/namespaces/${this.namespace}/${plural}?fieldManager=${manager}`;
    const made = await this.api.request('POST', path, {
      metadata: { name, ownerReferences: owners },
      spec: {
        replicas: 0,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'shop/web:1' }] } },
      },
    });
    return { apiVersion, kind, name, uid: (made.metadata as Json).uid, controller: true };
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

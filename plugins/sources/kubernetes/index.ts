/** Hears what happens to pods, nodes and everything that Kubernetes Events regard. Config, permissions and risks: ./README.md. */
import { type Component, defineSource, type Infer, type SourceContext } from '#core';

import { type Access, findAccess } from './api/access.ts';
import { config, eventTypes } from './config.ts';

type FindAccess = (kubeconfig: string | undefined) => Promise<Access | null>;

export const kubernetes = createKubernetes((kubeconfig) => findAccess(kubeconfig, process.env));

/** The source with a given way to the API server, so that tests can be one. */
export function createKubernetes(access: FindAccess) {
  return defineSource({
    type: 'kubernetes',
    stability: 'experimental',
    eventTypes,
    config,
    create: (configured, context) => new InCluster(configured, context, access),
  });
}

/** What hears is loaded where there is something to hear: on other machines it costs nothing. */
class InCluster implements Component {
  readonly #config: Infer<typeof config>;
  readonly #context: SourceContext;
  readonly #access: FindAccess;
  #source: Component | null = null;
  #stopped = false;

  constructor(configured: Infer<typeof config>, context: SourceContext, access: FindAccess) {
    this.#config = configured;
    this.#context = context;
    this.#access = access;
  }

  async start(signal: AbortSignal): Promise<void> {
    const access = await this.#access(this.#config.kubeconfig);
    signal.throwIfAborted();
    if (!access) {
      this.#context.report({ status: 'ok', hears: 'nothing: this machine is in no cluster' });
      return;
    }
    const { KubernetesSource } = await import('./source.ts');
    if (this.#stopped) return;
    const source = new KubernetesSource({ config: this.#config, context: this.#context, access });
    this.#source = source;
    await source.start(signal);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#source?.stop?.();
  }
}

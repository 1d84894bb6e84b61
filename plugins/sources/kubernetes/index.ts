/** Hears what happens to pods, nodes and everything that Kubernetes Events regard. Config, permissions and risks: ./README.md. */
import { defineSource } from '#core';

import { type Access, findAccess } from './api/access.ts';
import { config, eventTypes } from './config.ts';
import { KubernetesSource } from './source.ts';

export const kubernetes = createKubernetes((kubeconfig) => findAccess(kubeconfig, process.env));

/** The source with a given way to the API server, so that tests can be one. */
export function createKubernetes(access: (kubeconfig: string | undefined) => Promise<Access | null>) {
  return defineSource({
    type: 'kubernetes',
    stability: 'experimental',
    eventTypes,
    config,
    create: (configured, context) =>
      new KubernetesSource({ config: configured, context, access: () => access(configured.kubeconfig) }),
  });
}

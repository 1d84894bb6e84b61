/** Values under which the chart's tests look at it: what people change, once each. */
import type { Json } from './chart.ts';

export const CHART_VALUES: Readonly<Record<string, Json>> = {
  defaults: {},
  'own names, images and labels': {
    image: {
      repository: 'registry.example/x/trotline',
      tag: 'v1-tools',
      pullPolicy: 'Always',
      pullSecrets: [{ name: 'pull' }],
    },
    labels: { team: 'sre' },
  },
  'no sidecar on nodes': { sidecar: { enabled: false } },
  'no host network': { sidecar: { hostNetwork: false, probesHost: '' } },
  'scripts on nodes': {
    sidecar: {
      policy: { actions: ['a2a', 'script', 'webhook'], script: { directories: ['/opt/hooks'], users: ['nobody'] } },
      volumes: [{ name: 'hooks', hostPath: { path: '/opt/hooks' } }],
      volumeMounts: [{ name: 'hooks', mountPath: '/opt/hooks', readOnly: true }],
      env: [{ name: 'OTEL_EXPORTER_OTLP_ENDPOINT', value: 'http://jaeger:4318' }],
      annotations: { 'example.com/x': 'y' },
    },
  },
  'agents of the node': { sidecar: { agents: { enabled: true, socketFolder: '/run/agents', port: 7500 } } },
  'agents by the socket alone': {
    sidecar: { agents: { enabled: true, port: 0 }, sources: { agent: { socketMode: '0660' } } },
  },
  placed: {
    controlPlane: {
      nodeSelector: { pool: 'infra' },
      tolerations: [{ key: 'infra', operator: 'Exists' }],
      affinity: { nodeAffinity: {} },
    },
    cluster: { nodeSelector: { pool: 'infra' }, priorityClassName: 'high' },
  },
  'a volume of several nodes': {
    controlPlane: { replicas: 2, persistence: { accessModes: ['ReadWriteMany'], storageClass: 'nfs' } },
  },
  'a claim of its own': { controlPlane: { persistence: { existingClaim: 'mine' } } },
  'no volume': { controlPlane: { persistence: { enabled: false } } },
  'certificates of its own': { tls: { existingSecret: 'mine' } },
  'cert-manager': { tls: { certManager: { issuer: { name: 'ca', kind: 'ClusterIssuer' } } } },
  confined: { grants: [], networkPolicy: { nodeCIDRs: ['10.0.0.0/16', 'fd00::/64'] } },
  'a token of kagent': { kagent: { apiKeySecret: { name: 'kagent' } } },
  'secrets of others': { secretNamespaces: ['shop', 'trotline'] },
  'nothing beside': { networkPolicy: { enabled: false }, podDisruptionBudget: { enabled: false } },
  'one elected, pending early': { cluster: { replicas: 1, source: { pendingAfter: '30s' } } },
};

/** The charts, rendered as Helm would (`npm run chart:check` holds that against Go's own templates), and read as the programs would. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

import { checkConfig, isObject, type ObjectSchema } from '#core';
import { sources } from '#plugins';

import { readArguments as readControlPlane } from '../../control-plane/config.ts';
import { parseGrants } from '../../control-plane/kubernetes/grants.ts';
import { readArguments as readSidecar } from '../../sidecar/config.ts';
import { parsePolicy } from '../../sidecar/policy.ts';
import { parseSourceConfigs } from '../../sidecar/source-configs.ts';
import { type Json, renderChart, renderFiles } from '../kit/chart.ts';
import { CHART_VALUES } from '../kit/chart-values.ts';

const CHARTS = resolve(import.meta.dirname, '../../deploy/charts');
const CHART = join(CHARTS, 'trotline');
const every = Object.entries(CHART_VALUES);

function render(values: Json = {}, options: Parameters<typeof renderChart>[1] = {}): Json[] {
  return renderChart(CHART, { values, ...options });
}

/** What stands at a path of keys and places; undefined: nothing does. */
function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>(
    (part, key) => (isObject(part) || Array.isArray(part) ? Reflect.get(part, key) : undefined),
    value,
  );
}

function named(documents: readonly Json[], kind: string, name: string): Json {
  const found = documents.find((document) => document.kind === kind && at(document, 'metadata', 'name') === name);
  if (!found) throw new Error(`no ${kind} ${name}`);
  return found;
}

function listOf(value: unknown): Json[] {
  return Array.isArray(value) ? value.filter((item) => isObject(item)) : [];
}

const podsOf = (documents: readonly Json[]): Json[] =>
  documents.flatMap((document) => {
    const spec = at(document, 'spec', 'template', 'spec');
    return isObject(spec) ? [spec] : [];
  });
const containersOf = (pod: Json): Json[] => [...listOf(pod.initContainers), ...listOf(pod.containers)];
const textOf = (documents: readonly Json[], config: string, file: string): string =>
  String(at(named(documents, 'ConfigMap', config), 'data', file));
const argumentsOf = (container: unknown): string[] => (at(container, 'args') as string[]).map(String);

describe.each(every)('the chart with %s', (_name, values) => {
  const documents = render(values);

  it('has objects of this release only, each once', () => {
    const names = documents.map(
      (document) =>
        `${String(document.kind)} ${String(at(document, 'metadata', 'namespace'))}/${String(at(document, 'metadata', 'name'))}`,
    );
    expect(new Set(names).size).toBe(names.length);
    for (const { metadata } of documents) {
      expect(at(metadata, 'name')).toMatch(/^trotline-/);
      expect(at(metadata, 'labels', 'app.kubernetes.io/instance')).toBe('trotline');
    }
  });

  it('has values that its schema takes', () => {
    const schema = JSON.parse(readFileSync(join(CHART, 'values.schema.json'), 'utf8')) as ObjectSchema;
    expect(checkConfig(schema, values).issues).toEqual([]);
  });

  it('gives no container more than it needs', () => {
    for (const pod of podsOf(documents)) {
      expect(at(pod, 'securityContext', 'seccompProfile', 'type')).toBe('RuntimeDefault');
      for (const { securityContext, resources } of containersOf(pod)) {
        expect(securityContext).toMatchObject({ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true });
        expect(at(securityContext, 'capabilities', 'drop')).toEqual(['ALL']);
        expect(securityContext).not.toHaveProperty('privileged');
        expect(at(resources, 'requests', 'memory')).toBeTruthy();
        expect(at(resources, 'limits', 'memory')).toBeTruthy();
      }
    }
  });

  it('starts the programs with arguments and files that they take', () => {
    const plane = at(
      named(documents, 'Deployment', 'trotline-control-plane'),
      'spec',
      'template',
      'spec',
      'containers',
      0,
    );
    const [program, ...rest] = argumentsOf(plane);
    expect(program).toBe('control-plane');
    expect(readControlPlane(rest, {})).toMatchObject({ kubernetes: true, listen: ':7412' });
    expect(() => parseGrants(textOf(documents, 'trotline-control-plane', 'grants.yaml'), 'grants.yaml')).not.toThrow();
    const names = [
      'trotline-cluster',
      ...(documents.some(({ kind }) => kind === 'DaemonSet') ? ['trotline-sidecar'] : []),
    ];
    for (const name of names) {
      const kind = name === 'trotline-cluster' ? 'Deployment' : 'DaemonSet';
      const container = at(named(documents, kind, name), 'spec', 'template', 'spec', 'containers', 0);
      const args = argumentsOf(container).filter((word) => word !== 'sidecar');
      expect(readSidecar(args, { NODE_NAME: 'n' })).toMatchObject({ node: 'n', token: '/run/trotline/token' });
      expect(() => parsePolicy(textOf(documents, name, 'policy.yaml'), 'policy.yaml')).not.toThrow();
      expect(() => parseSourceConfigs(textOf(documents, name, 'sources.yaml'), 'sources.yaml', sources)).not.toThrow();
    }
  });
});

describe('the chart', () => {
  it('lets each part do what it does and nothing else, and adds nothing to the roles of people', () => {
    const roles = render().filter(({ kind }) => kind === 'ClusterRole' || kind === 'Role');
    const rules = Object.fromEntries(
      roles.map((role) => [
        `${String(role.kind)} ${String(at(role, 'metadata', 'name'))}`,
        listOf(role.rules).map(
          ({ resources, nonResourceURLs, verbs }) => `${String(resources ?? nonResourceURLs)}: ${String(verbs)}`,
        ),
      ]),
    );
    const owners = ['replicasets,deployments,statefulsets,daemonsets: get', 'jobs,cronjobs: get'];
    expect(rules).toEqual({
      'ClusterRole trotline-control-plane': [
        'eventhooks: list,watch',
        'eventhooks/status: patch',
        'hooks: list,watch',
        'hooks/status: patch',
        'events: create',
        'tokenreviews: create',
        '/.well-known/openid-configuration,/openid/v1/jwks: get',
        'subjectaccessreviews: create',
      ],
      'Role trotline-control-plane': ['pods: get', 'leases: create', 'leases: get,update'],
      'Role trotline-secrets': ['secrets: get'],
      'ClusterRole trotline-sidecar': ['pods: list,watch', ...owners],
      'ClusterRole trotline-cluster': ['events,nodes: list,watch', 'pods: get,list,watch', ...owners],
      'Role trotline-cluster': ['leases: create', 'leases: get,update'],
    });
    expect(JSON.stringify(roles)).not.toContain('rbac.authorization.k8s.io/aggregate');
  });

  it('gives the sidecar the network of its node, and capabilities to its launcher alone', () => {
    const [pod] = podsOf([named(render(), 'DaemonSet', 'trotline-sidecar')]);
    expect(pod).toMatchObject({ hostNetwork: true, hostPID: false, dnsPolicy: 'ClusterFirstWithHostNet' });
    expect(at(pod, 'containers', 0, 'securityContext', 'capabilities', 'add')).toEqual([
      'NET_ADMIN',
      'NET_BROADCAST',
      'SETUID',
      'SETGID',
      'KILL',
    ]);
    expect(at(pod, 'containers', 0, 'command')).toContain('/usr/local/bin/trotline-launcher');
  });

  it('lets agents of the node ask: at a socket in a folder of it, and at its address with a token', () => {
    const documents = render({ sidecar: { agents: { enabled: true, socketFolder: '/run/agents' } } });
    const configs = parseSourceConfigs(textOf(documents, 'trotline-sidecar', 'sources.yaml'), 'sources.yaml', sources);
    expect(configs.get('agent')).toMatchObject({
      socket: '/run/trotline-agents/agent.sock',
      socketMode: '0666',
      listen: '$(NODE_IP):7412',
      audience: 'trotline',
    });
    const pod = at(named(documents, 'DaemonSet', 'trotline-sidecar'), 'spec', 'template', 'spec');
    expect(listOf(at(pod, 'volumes'))).toContainEqual({
      name: 'agents',
      hostPath: { path: '/run/agents', type: 'DirectoryOrCreate' },
    });
    const role = named(documents, 'ClusterRole', 'trotline-control-plane');
    expect(listOf(role.rules)).toContainEqual({
      nonResourceURLs: ['/.well-known/openid-configuration', '/openid/v1/jwks'],
      verbs: ['get'],
    });
    const closed = render({
      sidecar: { agents: { enabled: true, port: 0 }, sources: { agent: { socketMode: '0660' } } },
    });
    const own = parseSourceConfigs(textOf(closed, 'trotline-sidecar', 'sources.yaml'), 'sources.yaml', sources);
    expect(own.get('agent')).toMatchObject({ socketMode: '0660' });
    expect(own.get('agent')).not.toHaveProperty('listen');
  });

  it('hands on what khook called kagent.apiUrl and kagent.userId', () => {
    const documents = render({ kagent: { apiUrl: 'http://kagent:1', userId: 'me@x' } });
    const env = at(
      named(documents, 'Deployment', 'trotline-control-plane'),
      'spec',
      'template',
      'spec',
      'containers',
      0,
      'env',
    );
    expect(env).toEqual(
      expect.arrayContaining([
        { name: 'KAGENT_BASE_URL', value: 'http://kagent:1' },
        { name: 'KAGENT_USER_ID', value: 'me@x' },
      ]),
    );
  });

  it('starts pods anew when a file that they read once has changed', () => {
    const noted = (values: Json, kind: string, name: string): unknown =>
      at(named(render(values), kind, name), 'spec', 'template', 'metadata', 'annotations');
    const policy = { actions: ['webhook'] };
    expect(noted({ sidecar: { policy } }, 'DaemonSet', 'trotline-sidecar')).not.toEqual(
      noted({}, 'DaemonSet', 'trotline-sidecar'),
    );
    expect(noted({ grants: [] }, 'Deployment', 'trotline-control-plane')).not.toEqual(
      noted({}, 'Deployment', 'trotline-control-plane'),
    );
  });

  it('keeps the certificate that it made before, and the volume when it is removed', () => {
    const secret = { metadata: { name: 'trotline-tls' }, data: { 'tls.crt': 'kept' } };
    const kept = render({}, { present: { Secret: [secret] } });
    expect(named(kept, 'Secret', 'trotline-tls').data).toEqual({ 'tls.crt': 'kept' });
    expect(at(named(kept, 'PersistentVolumeClaim', 'trotline-control-plane'), 'metadata', 'annotations')).toEqual({
      'helm.sh/resource-policy': 'keep',
    });
    expect(JSON.stringify(kept)).not.toContain('finalizers');
  });

  it('says where khook runs, which would answer everything twice', () => {
    const notes = (present: Record<string, Json[]>): string => renderFiles(CHART, { present }).get('NOTES.txt') ?? '';
    expect(notes({})).not.toContain('khook runs');
    expect(notes({ Deployment: [{ metadata: { name: 'khook', namespace: 'kagent' } }] })).toContain(
      'khook runs in this cluster (kagent/khook)',
    );
  });

  it('refuses values that nothing reads, and of a wrong kind', () => {
    const schema = JSON.parse(readFileSync(join(CHART, 'values.schema.json'), 'utf8')) as ObjectSchema;
    const problems = checkConfig(schema, {
      controlPlan: {},
      controlPlane: { replicas: 0, port: 'x' },
      image: { pullPolicy: 'Sometimes' },
    }).issues.map(({ path }) => path);
    expect(problems.toSorted()).toEqual([
      '/controlPlan',
      '/controlPlane/port',
      '/controlPlane/replicas',
      '/image/pullPolicy',
    ]);
  });

  it('knows every value', () => {
    const schema = JSON.parse(readFileSync(join(CHART, 'values.schema.json'), 'utf8')) as ObjectSchema;
    expect(checkConfig(schema, parse(readFileSync(join(CHART, 'values.yaml'), 'utf8'))).issues).toEqual([]);
  });

  it('has an older disruption budget for an older cluster', () => {
    const budget = render({}, { apiVersions: [] }).find(({ kind }) => kind === 'PodDisruptionBudget');
    expect(budget?.apiVersion).toBe('policy/v1beta1');
  });
});

describe('the chart of definitions', () => {
  it("leaves khook's definition to khook where told", () => {
    const names = (values: Json): unknown[] =>
      renderChart(join(CHARTS, 'trotline-crds'), { values }).map((document) => at(document, 'metadata', 'name'));
    expect(names({})).toEqual(['eventhooks.trotline.dev', 'hooks.kagent.dev']);
    expect(names({ khook: false })).toEqual(['eventhooks.trotline.dev']);
  });
});

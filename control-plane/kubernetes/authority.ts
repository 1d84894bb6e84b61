/** Who may do what with a hook from the API server (design section 8). */
import { compileCondition, isObject, type Issue, OWN_NAMESPACE } from '#core';

import type { Grants } from './grants.ts';

/** Sources whose events belong to a namespace. */
const NAMESPACED: readonly string[] = ['kubernetes', 'agent'];
/** Actions that run nothing on a node. */
const HARMLESS: readonly string[] = ['a2a', 'webhook'];

export interface Allowed {
  readonly grants: Grants;
  /** Of this cluster's kagent: behind it are the agents of all namespaces. */
  readonly kagentUrl: string;
}

export interface Confined {
  /** What the hook may be; the spec as it was where it may not. */
  readonly spec: unknown;
  /** Pointers are inside the document. */
  readonly issues: readonly Issue[];
}

/**
 * The administrator's hooks are as they are, but for secrets of the control plane's own machine. Any other hears objects and
 * agents of its namespace alone, and runs nothing on a node, except where a grant says so.
 */
export function confine(kind: string, namespace: string, spec: unknown, { grants, kagentUrl }: Allowed): Confined {
  const issues: Issue[] = [...ownSecrets(spec, '/spec')];
  if (kind === 'Hook') issues.push(...agentsOfHook(namespace, spec, grants));
  if (kind === 'Hook' || namespace === OWN_NAMESPACE || !isObject(spec)) return { spec, issues };
  const source = typeof spec.source === 'string' ? spec.source : '';
  if (!NAMESPACED.includes(source) && !grants.allows('sources', namespace, source)) {
    const message = source === '' ? 'is required outside of the namespace trotline' : `"${source}" needs a grant`;
    issues.push({
      path: '/spec/source',
      message,
      expected: `${NAMESPACED.join(' or ')}, or a grant for namespace ${namespace}`,
    });
  }
  issues.push(...actionsOf(namespace, spec.actions, { grants, kagentUrl }));
  return { spec: NAMESPACED.includes(source) ? hearingOwn(namespace, spec) : spec, issues };
}

/** Beside its own condition, which must be one for itself: no bracket of it closes ours. */
function hearingOwn(namespace: string, spec: Readonly<Record<string, unknown>>): unknown {
  const { condition = '' } = spec;
  if (typeof condition !== 'string') return spec;
  const own = `namespace == "${namespace}"`;
  if (condition.trim() === '') return { ...spec, condition: own };
  try {
    compileCondition(condition);
  } catch {
    return spec;
  }
  return { ...spec, condition: `(${condition}) AND ${own}` };
}

function actionsOf(namespace: string, actions: unknown, { grants, kagentUrl }: Allowed): Issue[] {
  if (!Array.isArray(actions)) return [];
  return actions.flatMap((action: unknown, index) => {
    if (!isObject(action) || typeof action.type !== 'string') return [];
    const { type } = action;
    const path = `/spec/actions/${index}`;
    if (!HARMLESS.includes(type) && !grants.allows('actions', namespace, type)) {
      const expected = `${HARMLESS.join(' or ')}, or a grant for namespace ${namespace}`;
      return [{ path: `${path}/type`, message: `"${type}" needs a grant`, expected }];
    }
    const config = isObject(action.config) ? action.config : {};
    const kagent = isObject(config.kagent) ? config.kagent : {};
    const agent = typeof kagent.agent === 'string' ? kagent.agent : `${namespace}/`;
    return [
      ...foreignAgent(namespace, agent, `${path}/config/kagent/agent`, grants),
      ...aroundKagent(config, `${path}/config`, kagentUrl),
      ...(kagent.userId === undefined ? [] : [SPEAKING_FOR(`${path}/config/kagent/userId`)]),
    ];
  });
}

/** By its address every agent can be called, whoever's it is. */
function aroundKagent({ url }: Readonly<Record<string, unknown>>, path: string, kagentUrl: string): Issue[] {
  if (typeof url !== 'string' || hostOf(url) !== hostOf(kagentUrl)) return [];
  return [{ path: `${path}/url`, message: "is kagent's own address", expected: 'type a2a with `kagent.agent`' }];
}

/** Host and port. Text that is no URL is its own; the schema says what is wrong with it. */
function hostOf(url: string): string {
  const parsed = URL.parse(url);
  if (!parsed) return url;
  const { protocol, hostname, port } = parsed;
  return `${hostname.replace(/\.$/, '')}:${port || (protocol === 'https:' ? '443' : '80')}`;
}

const SPEAKING_FOR = (path: string): Issue => ({
  path,
  message: 'is for the namespace trotline: it says whose sessions of kagent these are',
  expected: "nothing: it is the cluster's",
});

function agentsOfHook(namespace: string, spec: unknown, grants: Grants): Issue[] {
  const entries = isObject(spec) && Array.isArray(spec.eventConfigurations) ? spec.eventConfigurations : [];
  return entries.flatMap((entry: unknown, index) => {
    if (!isObject(entry)) return [];
    const path = `/spec/eventConfigurations/${index}`;
    const { agentRef, agentId } = entry;
    const byRef =
      isObject(agentRef) && typeof agentRef.namespace === 'string'
        ? `${agentRef.namespace}/${String(agentRef.name)}`
        : null;
    const byId = typeof agentId === 'string' && agentId.includes('/') ? agentId : null;
    const ofRef = byRef === null ? [] : foreignAgent(namespace, byRef, `${path}/agentRef/namespace`, grants);
    return ofRef.concat(byId === null ? [] : foreignAgent(namespace, byId, `${path}/agentId`, grants));
  });
}

function foreignAgent(namespace: string, agent: string, path: string, grants: Grants): Issue[] {
  if (agent.startsWith(`${namespace}/`) || grants.allows('agents', namespace, agent)) return [];
  const message = `agent "${agent}" of another namespace needs a grant`;
  return [{ path, message, expected: `an agent of ${namespace}, or a grant "agents" for namespace ${namespace}` }];
}

/** `{ env }` and `{ file }` are of the control plane's machine, wherever they stand in an action's configuration. */
function ownSecrets(value: unknown, path: string): Issue[] {
  if (Array.isArray(value)) return value.flatMap((part: unknown, index) => ownSecrets(part, `${path}/${index}`));
  if (!isObject(value)) return [];
  const keys = Object.keys(value);
  const [key = ''] = keys;
  if (
    keys.length === 1 &&
    (key === 'env' || key === 'file') &&
    typeof value[key] === 'string' &&
    path.includes('/config/')
  ) {
    const message = `{ ${key} } is for hooks of the control plane's own directory`;
    return [{ path, message, expected: '{ secretRef: { name, key } }' }];
  }
  return Object.entries(value).flatMap(([name, part]) => ownSecrets(part, `${path}/${name}`));
}

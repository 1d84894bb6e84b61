/** Tells each hook's resource how it stands: conditions, and on which nodes it runs (spec khook, section 1). */
import { canonicalJson, type Clock, type Component, errorText, isObject, type Issue, type Log } from '#core';

import type { HookRegistry } from '../config/hook-registry.ts';
import type { SidecarRegistry, SidecarStatus } from '../config/sidecar-registry.ts';
import { ApiError, type Json, type OpenKubernetesApi } from './api.ts';
import { Elsewhere, FIELD_MANAGER } from './elsewhere.ts';
import type { HookResource, HookResources } from './hook-resources.ts';
import type { ActiveEvent, Audit, Incidents } from './incidents.ts';
import { Standing } from './standing.ts';

/** So often is looked for what changed, and so many are written a second: a thousand at once do not hammer the API server. */
const LOOK_MS = 250;
const PER_LOOK = 10;
/** The longest message of a condition that the API server takes is 32 KiB. */
const MAX_MESSAGE = 8192;
/** Nodes that are named with why a hook failed there. */
const MAX_NODES = 20;
/** Audit Events that wait to be written. */
const MAX_AUDITS = 1000;

const PATHS = { EventHook: '/apis/trotline.dev/v1alpha1', Hook: '/apis/kagent.dev/v1alpha2' } as const;
const PLURALS = { EventHook: 'eventhooks', Hook: 'hooks' } as const;

export interface StatusWriterOptions {
  readonly api: OpenKubernetesApi;
  readonly resources: HookResources;
  readonly hooks: HookRegistry;
  readonly sidecars: SidecarRegistry;
  readonly incidents: Incidents;
  readonly clock: Clock;
  readonly log: Log;
}

export class StatusWriter implements Component {
  readonly #options: StatusWriterOptions;
  readonly #halt = new AbortController();
  /** By uid: what was written last, without its times. */
  readonly #written = new Map<string, string>();
  readonly #audits: Audit[] = [];
  readonly #elsewhere: Elsewhere;
  readonly #standing = new Standing();
  /** Uids of resources whose status could not be written in this round. */
  readonly #failed = new Set<string>();
  #loop: Promise<void> = Promise.resolve();

  constructor(options: StatusWriterOptions) {
    this.#options = options;
    this.#elsewhere = new Elsewhere(options.clock);
  }

  async start(): Promise<void> {
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#halt.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = this.#halt;
    while (!signal.aborted) {
      await this.#look().catch((error: unknown) => log.warn({ error: errorText(error) }, 'status not written'));
      await clock.sleep(LOOK_MS, signal).catch(() => undefined);
    }
  }

  async #look(): Promise<void> {
    const { resources, sidecars } = this.#options;
    const uids = new Set(resources.resources.map(({ uid }) => uid));
    for (const uid of this.#written.keys()) if (!uids.has(uid)) this.#forget(uid);
    for (const { uid, kind, namespace, name, laterWriter } of resources.resources) {
      if (kind !== 'Hook' || !this.#elsewhere.read(uid, laterWriter)) continue;
      this.#written.delete(uid);
      this.#options.log.warn(
        { hook: `${namespace}/${name}`, manager: laterWriter },
        'another program answers this Hook, too',
      );
    }
    const connected = sidecars.list().filter((sidecar) => sidecar.connected);
    const due = resources.resources
      .map((resource) => ({ resource, status: this.#statusOf(resource, connected) }))
      .filter(({ resource, status }) => this.#written.get(resource.uid) !== canonicalJson(status));
    const fresh = due.filter(({ resource }) => !this.#failed.has(resource.uid));
    if (fresh.length < PER_LOOK) this.#failed.clear();
    for (const { resource, status } of (fresh.length > 0 ? fresh : due).slice(0, PER_LOOK)) {
      if (this.#halt.signal.aborted) return;
      await this.#write(resource, status);
    }
    await this.#tellAudits();
  }

  #forget(uid: string): void {
    this.#written.delete(uid);
    this.#elsewhere.forget(uid);
  }

  /** As many as the API server is asked for in a look; those that wait are bounded, and what is left out is counted. */
  async #tellAudits(): Promise<void> {
    const { incidents, log } = this.#options;
    this.#audits.push(...incidents.takeAudits());
    const over = this.#audits.length - MAX_AUDITS;
    if (over > 0) {
      this.#audits.splice(0, over);
      log.warn({ count: over }, 'audit Events left out');
    }
    for (const audit of this.#audits.splice(0, PER_LOOK)) {
      if (this.#halt.signal.aborted) return;
      await this.#tellAudit(audit);
    }
  }

  async #tellAudit({ file, reason, type, message }: Audit): Promise<void> {
    const { resources, clock, log } = this.#options;
    const resource = resources.resources.find((each) => each.file === file);
    if (!resource) return;
    const { kind, namespace, name, uid } = resource;
    const time = new Date(clock.now()).toISOString().replace('Z', '000Z');
    const body = {
      metadata: { generateName: `${name}.`, namespace },
      involvedObject: { apiVersion: PATHS[kind].slice('/apis/'.length), kind, namespace, name, uid },
      reason,
      message,
      type,
      eventTime: time,
      action: reason,
      reportingComponent: FIELD_MANAGER,
      reportingInstance: FIELD_MANAGER,
      source: { component: FIELD_MANAGER },
    };
    try {
      await (await this.#options.api()).request('POST', `/api/v1/namespaces/${namespace}/events`, body);
    } catch (error) {
      log.debug({ kind, namespace, name, reason, error: errorText(error) }, 'audit Event not written');
    }
  }

  /** Server-side apply: fields of others stay, and nobody's newer resource is overwritten. */
  async #write(resource: HookResource, status: Status): Promise<void> {
    const { kind, namespace, name, uid } = resource;
    const { clock, log } = this.#options;
    const now = new Date(clock.now()).toISOString().replace(/\.\d+Z$/, 'Z');
    const conditions = status.conditions.map((condition) => ({
      ...condition,
      lastTransitionTime: sinceOf(resource.status, condition) ?? now,
    }));
    const group = PATHS[kind];
    const path = `${group}/namespaces/${namespace}/${PLURALS[kind]}/${name}/status?fieldManager=${FIELD_MANAGER}&force=true`;
    const body = {
      apiVersion: group.slice('/apis/'.length),
      kind,
      metadata: { name, namespace, uid },
      status: { ...status, conditions, lastUpdated: now },
    };
    try {
      await (await this.#options.api()).request('PATCH', path, body, 'application/apply-patch+yaml');
      this.#written.set(uid, canonicalJson(status));
    } catch (error) {
      // It is gone, or another one has its name by now: the next list says so.
      if (error instanceof ApiError && (error.status === 404 || error.status === 409))
        this.#written.set(uid, canonicalJson(status));
      else {
        // Behind the others, which may fare better.
        this.#failed.add(uid);
        log.debug({ kind, namespace, name, error: errorText(error) }, 'status not written, tried again');
      }
    }
  }

  #statusOf(resource: HookResource, connected: readonly SidecarStatus[]): Status {
    const { generation, kind } = resource;
    const issues = [...resource.issues, ...this.#refusedElsewhere(resource)];
    const conditions = [
      this.#readiness(resource.file, issues),
      ...this.#answering(resource),
      ...this.#besides(resource),
    ];
    const shared = {
      observedGeneration: generation,
      conditions: conditions.map((condition) => Object.assign({ observedGeneration: generation }, condition)),
    };
    if (kind === 'Hook') return { ...shared, activeEvents: this.#options.incidents.active(resource.file) };
    return { ...shared, ...this.#nodesOf(resource, connected) };
  }

  /** A hook without its secrets is pushed, and its actions wait for them. */
  #readiness(file: string, issues: readonly Issue[]): ConditionBody {
    if (issues.length > 0) return notReady('InvalidConfiguration', issues);
    const missing = this.#options.hooks.current.set.problems.filter((problem) => problem.file === file);
    return missing.length > 0 ? notReady('SecretUnavailable', missing) : READY;
  }

  /** khook's Hook says how its agents answered last. */
  #answering({ kind, file }: HookResource): ConditionBody[] {
    const last = kind === 'Hook' ? this.#options.incidents.answering(file) : null;
    if (!last) return [];
    if (last.answers)
      return [
        { type: 'AgentsAnswer', status: 'True', reason: 'AgentCallSuccess', message: 'the last call was answered' },
      ];
    const message = last.reason.slice(0, MAX_MESSAGE);
    return [{ type: 'AgentsAnswer', status: 'False', reason: 'AgentCallFailure', message }];
  }

  /** Said while it is so: an incident that two answer is answered twice. */
  #besides({ uid }: HookResource): ConditionBody[] {
    const manager = this.#elsewhere.writer(uid);
    if (manager === '') return [];
    const message = `"${manager}" writes this status, too: where khook runs beside Trotline every incident is answered twice; stop one of them`;
    return [{ type: 'AnsweredElsewhere', status: 'True', reason: 'StatusOfAnother', message }];
  }

  /** By what only all hooks together tell: a name that is used already, a set that is full. */
  #refusedElsewhere({ file, issues }: HookResource): Issue[] {
    const refused = this.#standing.refusedIn(file, this.#options.hooks.current);
    return refused.flatMap((one) => one.issues.filter((issue) => !issues.includes(issue)));
  }

  #nodesOf({ namespace, name }: HookResource, connected: readonly SidecarStatus[]): Pick<Status, 'nodes'> {
    const stands = this.#standing.on(connected, `${namespace}/${name}`, this.#options.hooks.current);
    const failed = stands.filter(({ applied }) => applied?.state === 'failed');
    return {
      nodes: {
        applied: stands.filter(({ applied }) => applied?.state === 'applied').length,
        failed: failed.length,
        pending: stands.filter(({ applied }) => applied === undefined).length,
        failures: failed.slice(0, MAX_NODES).map(({ node, applied }) => ({ node, reason: applied?.reason ?? '' })),
      },
    };
  }
}

interface ConditionBody {
  readonly type: 'Ready' | 'AgentsAnswer' | 'AnsweredElsewhere';
  readonly status: 'True' | 'False';
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration?: number;
}

interface Status {
  readonly observedGeneration: number;
  readonly conditions: readonly ConditionBody[];
  readonly nodes?: Json;
  readonly activeEvents?: readonly ActiveEvent[];
}

const READY: ConditionBody = {
  type: 'Ready',
  status: 'True',
  reason: 'HookConfigured',
  message: 'the hook is in effect',
};

/** A list of everything that would be right is no help in a status. */
const MAX_EXPECTED = 160;

/** Every problem, each with its path. */
function notReady(reason: string, issues: readonly Issue[]): ConditionBody {
  const message = issues
    .map(({ path, message: problem, expected = '' }) => {
      const said = expected === '' || expected.length > MAX_EXPECTED ? problem : `${problem}, expected ${expected}`;
      return path === '' ? said : `${path}: ${said}`;
    })
    .join('; ');
  return { type: 'Ready', status: 'False', reason, message: message.slice(0, MAX_MESSAGE) };
}

/** A condition that stands as it stood keeps its time. */
function sinceOf(status: unknown, { type, status: value }: ConditionBody): string | null {
  const conditions = isObject(status) && Array.isArray(status.conditions) ? status.conditions : [];
  const before: unknown = conditions.find((condition: unknown) => isObject(condition) && condition.type === type);
  if (!isObject(before) || before.status !== value || typeof before.lastTransitionTime !== 'string') return null;
  return before.lastTransitionTime;
}

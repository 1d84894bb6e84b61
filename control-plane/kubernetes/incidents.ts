/** What Hooks are answering: their active events, and the audit Events about them (spec khook, sections 3 and 6). */
import { type Clock, isObject, type OutcomeRecord, type ReportBatch, type TrotlineEvent } from '#core';

import type { HookRegistry } from '../config/hook-registry.ts';

/** An incident is over so long after it was seen first (khook's window). */
const WINDOW_MS = 600_000;
const RECOVERED = 'kubernetes.pod-recovered';
/** A resolved one is shown for so long. */
const SHOWN_MS = 60_000;
/** Events whose outcome may still come. */
const REMEMBERED = 5000;
/** Of one Hook; beyond, the oldest is shown no more. */
const MAX_ACTIVE = 100;
/** The longest message of a Kubernetes Event. */
const MAX_MESSAGE = 1024;

export interface ActiveEvent {
  readonly eventType: string;
  readonly resourceName: string;
  /** RFC 3339. */
  readonly firstSeen: string;
  readonly lastSeen: string;
  readonly status: 'firing' | 'resolved';
}

/** How the agents of a Hook answered last. */
export interface Answering {
  readonly answers: boolean;
  /** Why not; '' where they do. */
  readonly reason: string;
}

/** One audit Event; `file` names the resource that it regards. */
export interface Audit {
  readonly file: string;
  readonly reason: keyof typeof AUDITS;
  readonly type: 'Normal' | 'Warning';
  readonly message: string;
}

const AUDITS = {
  EventFiring: 'Normal',
  AgentCallSuccess: 'Normal',
  AgentCallFailure: 'Warning',
  DuplicateEventIgnored: 'Normal',
  EventResolved: 'Normal',
  EventProcessingError: 'Warning',
} as const;

interface Incident {
  readonly eventType: string;
  readonly resourceName: string;
  readonly uid: string;
  readonly firstMs: number;
  lastMs: number;
  /** Null: it is firing. */
  resolvedMs: number | null;
}

/** Follows what sidecars report of khook's Hooks. In memory: the audit Events are what lasts. */
export class Incidents {
  readonly #hooks: HookRegistry;
  readonly #clock: Clock;
  readonly #events = new Map<string, TrotlineEvent>();
  /** By resource, then by event type and pod. */
  readonly #incidents = new Map<string, Map<string, Incident>>();
  /** By resource. */
  readonly #answering = new Map<string, Answering>();
  #audits: Audit[] = [];

  constructor(hooks: HookRegistry, clock: Clock) {
    this.#hooks = hooks;
    this.#clock = clock;
  }

  /** A batch that is stored. */
  stored({ events, outcomes, progress }: ReportBatch): void {
    for (const event of events) {
      this.#remember(event);
      if (event.type === RECOVERED) this.#recovered(event);
    }
    for (const { eventId, hook, waitsFor, attempts } of progress) {
      const known = this.#firing(eventId, hook);
      // Long before the call is given up.
      if (known && attempts.length > 0) this.#answering.set(known.file, { answers: false, reason: waitsFor });
    }
    for (const outcome of outcomes) this.#ended(outcome);
  }

  /** What is to be told since the last call. */
  takeAudits(): Audit[] {
    const audits = this.#audits;
    this.#audits = [];
    return audits;
  }

  /** Null: none has been asked yet, as far as is known. */
  answering(file: string): Answering | null {
    return this.#answering.get(file) ?? null;
  }

  /** Of the resource that problems call `file`, oldest first. */
  active(file: string): ActiveEvent[] {
    const incidents = this.#incidents.get(file);
    if (!incidents) return [];
    const now = this.#clock.now();
    for (const [key, incident] of incidents) this.#age(file, key, incident, now);
    if (incidents.size === 0) this.#incidents.delete(file);
    return [...incidents.values()].map(({ eventType, resourceName, firstMs, lastMs, resolvedMs }) => ({
      eventType,
      resourceName,
      firstSeen: timeOf(firstMs),
      lastSeen: timeOf(lastMs),
      status: resolvedMs === null ? 'firing' : 'resolved',
    }));
  }

  #age(file: string, key: string, incident: Incident, now: number): void {
    if (incident.resolvedMs === null && now - incident.firstMs >= WINDOW_MS) this.#resolve(file, incident, now);
    if (incident.resolvedMs !== null && now - incident.resolvedMs >= SHOWN_MS) this.#incidents.get(file)?.delete(key);
  }

  /** The pod is well again: whatever was answered about it is over. */
  #recovered({ attributes: { uid } }: TrotlineEvent): void {
    const now = this.#clock.now();
    for (const [file, incidents] of this.#incidents) {
      for (const incident of incidents.values()) {
        if (incident.uid === uid && incident.resolvedMs === null) this.#resolve(file, incident, now);
      }
    }
  }

  #resolve(file: string, incident: Incident, now: number): void {
    incident.resolvedMs = now;
    this.#audit(file, 'EventResolved', `${incident.eventType} of ${incident.resourceName} resolved`);
  }

  #remember(event: TrotlineEvent): void {
    this.#events.set(event.id, event);
    for (const oldest of this.#events.keys()) {
      if (this.#events.size <= REMEMBERED) return;
      this.#events.delete(oldest);
    }
  }

  #firing(eventId: string, hook: string): { file: string; event: TrotlineEvent; agent: string } | null {
    const event = this.#events.get(eventId);
    const known = this.#hooks.current.byId.get(hook);
    if (!event || known?.form !== 'Hook' || !known.origin) return null;
    const { file } = known.origin;
    const [action] = known.spec.actions;
    const agent = agentOf(action?.config);
    const eventType = event.type.slice(event.type.indexOf('.') + 1);
    const resourceName = nameOf(event);
    const uid = String(event.attributes.uid ?? '');
    const key = `${eventType} ${resourceName} ${uid}`;
    const incidents = this.#incidents.get(file) ?? new Map<string, Incident>();
    this.#incidents.set(file, incidents);
    const now = this.#clock.now();
    const incident = incidents.get(key);
    if (incident && incident.resolvedMs === null) incident.lastMs = now;
    else {
      incidents.set(key, { eventType, resourceName, uid, firstMs: now, lastMs: now, resolvedMs: null });
      this.#audit(file, 'EventFiring', `${eventType} of ${resourceName}: agent ${agent} is asked`);
    }
    for (const oldest of incidents.keys()) {
      if (incidents.size <= MAX_ACTIVE) break;
      incidents.delete(oldest);
    }
    return { file, event, agent };
  }

  #ended({ eventId, hook, outcome, reason, attempts }: OutcomeRecord): void {
    if (outcome === 'deduplicated' || outcome === 'grouped') return this.#duplicate(eventId, hook);
    const known = this.#firing(eventId, hook);
    if (!known) return;
    const { file, event, agent } = known;
    const what = `${event.type.slice(event.type.indexOf('.') + 1)} of ${nameOf(event)}`;
    const last = attempts.at(-1);
    const why = last?.reason || reason || outcome;
    if (last)
      this.#answering.set(file, { answers: outcome === 'delivered', reason: outcome === 'delivered' ? '' : why });
    if (outcome === 'delivered')
      return this.#audit(
        file,
        'AgentCallSuccess',
        `agent ${agent} answered for ${what} (request ${last?.deliveryId ?? ''})`,
      );
    const kind = outcome === 'rejected' || outcome === 'expired' ? 'AgentCallFailure' : 'EventProcessingError';
    this.#audit(file, kind, `agent ${agent} for ${what}: ${outcome}: ${why}`);
  }

  #duplicate(eventId: string, hook: string): void {
    const event = this.#events.get(eventId);
    const known = this.#hooks.current.byId.get(hook);
    if (!event || known?.form !== 'Hook' || !known.origin) return;
    const what = `${event.type.slice(event.type.indexOf('.') + 1)} of ${nameOf(event)}`;
    this.#audit(known.origin.file, 'DuplicateEventIgnored', `${what} is answered already`);
  }

  #audit(file: string, reason: keyof typeof AUDITS, message: string): void {
    this.#audits.push({ file, reason, type: AUDITS[reason], message: message.slice(0, MAX_MESSAGE) });
  }
}

function nameOf({ attributes, subject }: TrotlineEvent): string {
  return typeof attributes.name === 'string' ? attributes.name : subject;
}

function agentOf(config: object | undefined): string {
  const { kagent, url }: { kagent?: unknown; url?: unknown } = config ?? {};
  if (isObject(kagent) && typeof kagent.agent === 'string') return kagent.agent;
  return typeof url === 'string' ? url : '';
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}

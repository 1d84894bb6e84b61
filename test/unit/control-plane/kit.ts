/** What tests of the control plane share: hooks as texts, a store in memory, a silent log. */
import { AppError, createLog, systemClock, type Vocabulary, withCel } from '#core';
import { vocabulary } from '#plugins/schemas';

import { Approvals } from '../../../control-plane/approvals.ts';
import {
  type HookFile,
  type HookFiles,
  NO_HOOK_FILES,
  readHookFiles,
} from '../../../control-plane/config/hook-files.ts';
import type {
  Approval,
  ApprovalQuery,
  ApprovalRequest,
  AuditRecord,
  EventDetail,
  EventQuery,
  EventSummary,
  Forgetting,
  Forgotten,
  HookStats,
  Joined,
  Members,
  News,
  NodeLedger,
  Override,
  Session,
  Settling,
  Store,
} from '../../../control-plane/store/types.ts';
import { AgentFeed, type AgentFeedParts } from '../../../control-plane/stream/feed.ts';
import { HookHealth } from '../../../control-plane/stream/health.ts';
import { streamSettings } from '../../../control-plane/stream/settings.ts';
import { HookSockets } from '../../../control-plane/stream/sockets.ts';

export const silent = createLog('silent');
export const words: Vocabulary = await withCel(vocabulary);

/** An EventHook document with one script action. */
export function eventHook(name: string, spec = ''): string {
  return `apiVersion: trotline.dev/v1alpha1
kind: EventHook
metadata: { name: ${name} }
spec:
  source: netlink
${spec}
  actions:
    - type: script
      config: { command: [/bin/true] }
`;
}

/** Reads texts by file name, upon an earlier reading. */
export function readTexts(texts: Readonly<Record<string, string>>, before: HookFiles = NO_HOOK_FILES): HookFiles {
  const files = Object.entries(texts).map(([file, text]): HookFile => ({ file, text }));
  return readHookFiles(files, words, before);
}

/** A store that forgets everything when the test ends; tests fill its lists. */
export class FakeStore implements Store {
  readonly events_: EventDetail[] = [];
  readonly audit_: AuditRecord[] = [];
  readonly overrides_ = new Map<string, Override>();
  readonly approvals_ = new Map<string, Approval>();
  stats_: HookStats[] = [];
  ledger_: NodeLedger[] = [];
  readonly #listeners = new Set<(summary: EventSummary) => void>();

  async claim(): Promise<[]> {
    return [];
  }
  onClaimAnswers(): void {}
  onClaimsReset(): void {}
  async forgetWaiters(): Promise<void> {}
  async join(): Promise<Joined> {
    return { limited: false, opened: 0 };
  }
  async members(): Promise<Members> {
    return { count: 0, members: [] };
  }
  async endIncident(): Promise<void> {}
  async report(): Promise<number> {
    return 0;
  }
  async resumeReports(): Promise<number> {
    return 0;
  }
  async events({ source = '', type, hook, node, outcome, limit = 100 }: EventQuery): Promise<EventSummary[]> {
    return this.events_
      .filter((event) => source === '' || event.type.startsWith(`${source}.`))
      .filter((event) => type === undefined || event.type === type)
      .filter((event) => node === undefined || event.node === node)
      .filter((event) => hook === undefined || event.hooks.some((one) => one.hook === hook))
      .filter((event) => outcome === undefined || event.hooks.some((one) => one.outcome === outcome))
      .toReversed()
      .slice(0, limit);
  }
  async event(id: string): Promise<EventDetail | null> {
    return this.events_.find((event) => event.id.startsWith(id)) ?? null;
  }
  subscribe(listener: (summary: EventSummary) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
  /** Stores an event and tells who listens. */
  add(event: EventDetail): void {
    this.events_.push(event);
    for (const listener of this.#listeners) listener(event);
  }
  onNews(listener: (news: News) => void): void {
    this.news = listener;
  }
  news: (news: News) => void = () => undefined;
  get listeners(): number {
    return this.#listeners.size;
  }
  async stats(): Promise<HookStats[]> {
    return this.stats_;
  }
  async resetStats(): Promise<HookStats[]> {
    return [];
  }
  async ledger(): Promise<NodeLedger[]> {
    return this.ledger_;
  }
  async overrides(): Promise<Override[]> {
    return [...this.overrides_.values()];
  }
  async setOverride(hook: string, enabled: boolean | null, who: string): Promise<void> {
    const act = enabled === null ? 'hook.override.remove' : enabled ? 'hook.enable' : 'hook.disable';
    this.audit_.push({ id: this.audit_.length + 1, whenMs: 1000, who, act, subject: hook, detail: '' });
    if (enabled === null) this.overrides_.delete(hook);
    else this.overrides_.set(hook, { hook, enabled, who, whenMs: 1000 });
  }
  async askApproval({ waitMs, ...request }: ApprovalRequest): Promise<Approval> {
    const known = this.approvals_.get(request.id);
    if (known) return known;
    const open = { state: 'pending', who: '', why: '', settledMs: null } as const;
    const approval: Approval = { ...request, ...open, createdMs: 1000, expiresMs: Date.now() + waitMs };
    this.approvals_.set(approval.id, approval);
    return approval;
  }
  async settleApproval({ id, ...settling }: Settling): Promise<Approval> {
    const known = this.approvals_.get(id);
    if (!known) throw new AppError('NOT_FOUND', `there is no approval with the id "${id}"`);
    const settled = { ...known, ...settling, settledMs: 2000 };
    this.approvals_.set(id, settled);
    return settled;
  }
  async approvals({ state }: ApprovalQuery): Promise<Approval[]> {
    return [...this.approvals_.values()].filter((approval) => state === null || approval.state === state);
  }
  async summarise(): Promise<void> {
    return undefined;
  }
  async sessions(): Promise<Session[]> {
    return [];
  }
  async session(): Promise<Session | null> {
    return null;
  }
  async forgetSession({ session }: Forgetting): Promise<Forgotten> {
    return { session, events: 0, approvals: 0 };
  }
  async note({ who, act, subject, detail }: Omit<AuditRecord, 'id' | 'whenMs'>): Promise<void> {
    this.audit_.push({ id: this.audit_.length + 1, whenMs: 0, who, act, subject, detail });
  }
  async audit(limit: number): Promise<AuditRecord[]> {
    return this.audit_.toReversed().slice(0, limit);
  }
}

/** What an API answers from, beside hooks and sidecars. */
export function apiParts(store: Store, sockets = new HookSockets(systemClock, silent)) {
  const feed = feedOf({ sockets, summarise: () => store.summarise() });
  const parts = { store, approvals: new Approvals(store), sockets, feed, redis: null };
  return { ...parts, vocabulary: words, clock: systemClock, log: silent };
}

/** A feed without Redis, with the settings of an empty environment. */
export function feedOf(parts: Partial<AgentFeedParts> = {}): AgentFeed {
  const settings = streamSettings({});
  return new AgentFeed({
    settings,
    sockets: new HookSockets(systemClock, silent),
    redis: null,
    health: new HookHealth(systemClock, settings.thresholdMs),
    summarise: async () => undefined,
    clock: systemClock,
    log: silent,
    ...parts,
  });
}

/** A link event as the store gives it. */
export function storedEvent(number: number, over: Partial<EventDetail> = {}): EventDetail {
  const id = `netlink-life1-${number}`;
  const head = { id, type: 'netlink.link-changed', subject: 'veth3', node: 'n1', timeMs: 1_700_000_000_000 + number };
  return {
    ...head,
    hooks: [],
    event: {
      id,
      source: 'netlink',
      node: 'n1',
      life: 'life1',
      type: head.type,
      subject: head.subject,
      time: head.timeMs,
      sequence: number,
      synthetic: false,
      interface: 'veth3',
      namespace: '',
      messageType: 16,
      eventType: 1,
      attributes: { 'netlink.link.ifname': 'veth3', 'netlink.link.mtu': 1500, 'netlink.big': 2n ** 60n },
    },
    ...over,
  };
}

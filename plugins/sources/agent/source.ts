import { randomBytes } from 'node:crypto';
import type { IncomingMessage, Server } from 'node:http';
import { join } from 'node:path';

import {
  type AgentCall,
  agentDraft,
  type AgentPeer,
  AppError,
  type Attributes,
  CALLER_REFUSED,
  commandOf,
  type Component,
  createRedact,
  errorText,
  type EventDraft,
  HOOK_BYPASSED,
  type HookJudgment,
  type Infer,
  listenPlace,
  pathOf,
  type Redact,
  oneLine,
  SESSION_EXPIRED,
  type SourceContext,
  urlOf,
  type Verdict,
} from '#core';

import type { Body } from '../../bodies.ts';
import type { config } from './config.ts';
import { type Dialect, dialectNamed, dialectOf } from './dialects/index.ts';
import { Peers } from './peer.ts';
import { type Answer, close, createHookServer, type Handle, listenAt, listenOn } from './server.ts';
import { callTraceparent, Sessions } from './sessions.ts';
import { createIdentify } from './tokens.ts';

const PATH = '/v1/hooks';
/** Our answer comes before the runtime stops waiting. */
const SHARE_OF_PATIENCE = 0.9;
/** Events that wait for the journal at a time; more are counted as lost. */
const MAX_UNWRITTEN = 10_000;
const EXPIRY_CHECK_MS = 30_000;
const REFUSED_EVERY_MS = 1000;
/** Characters of the reason in a header: every one may take twelve there. */
const MAX_REASON = 500;

export class AgentSource implements Component {
  readonly #config: Infer<typeof config>;
  readonly #context: SourceContext;
  readonly #life = randomBytes(6).toString('hex');
  readonly #sessions: Sessions;
  readonly #halt = new AbortController();
  readonly #socketPath: string;
  readonly #peers: Peers;
  readonly #redact: Redact;
  #servers: Server[] = [];
  #sequence = 0;
  #facts = 0;
  #refused = 0;
  #refusedAt = -Infinity;
  #unwritten = 0;
  /** Not handed over yet. */
  readonly #heard: EventDraft[] = [];
  #chores: Promise<void> = Promise.resolve();

  constructor(options: Infer<typeof config>, context: SourceContext) {
    this.#config = options;
    this.#context = context;
    this.#socketPath = options.socket ?? join(context.folder, 'agent.sock');
    const { sessionIdle: idleMs, silentTurns, users, groups, podFolder } = options;
    this.#redact = createRedact(options.redact);
    this.#peers = new Peers({ users, groups, podFolder, log: context.log });
    this.#sessions = new Sessions({ idleMs, silentTurns, now: () => context.clock.monotonic() });
  }

  async start(): Promise<void> {
    const { socketMode, socketGroup = null, listen } = this.#config;
    const local = this.#open(async ({ socket }) => this.#peers.of(socket));
    await listenAt(local, { path: this.#socketPath, mode: Number.parseInt(socketMode, 8), group: socketGroup });
    const hears = [`agents at ${this.#socketPath}`];
    if (listen !== undefined) hears.push(`and ${await this.#listen(listen)}`);
    this.#context.report({ status: 'ok', hears: hears.join(' ') });
    this.#chores = this.#expireSessions();
  }

  async drain(deadline: AbortSignal): Promise<void> {
    await Promise.all(this.#servers.map((server) => close(server, deadline)));
    this.#flush();
  }

  async stop(): Promise<void> {
    this.#halt.abort();
    await Promise.all(this.#servers.map((server) => close(server)));
    this.#flush();
    await this.#chores;
  }

  #open(identify: WhoAsks): Server {
    const handle: Handle = (request, body, gone) => this.#handle(request, body, gone, identify);
    const server = createHookServer({ maxBodyBytes: this.#config.maxBody, handle });
    this.#servers.push(server);
    return server;
  }

  /** For those who may mount nothing of the node: each request proves who asks. */
  async #listen(address: string): Promise<string> {
    const { tokenFile, audience } = this.#config;
    if (tokenFile === undefined && audience === undefined)
      throw new AppError('CONFIG_INVALID', '`listen` needs `audience` (pods by their token) or `tokenFile` beside it');
    const { host, port } = listenPlace(inEnvironment(address, process.env));
    const identify = createIdentify(this.#config, this.#context);
    const server = this.#open(({ headers }) => identify(headers.authorization));
    const bound = await listenOn(server, host, port);
    return `${host ?? ''}:${bound}`;
  }

  /** Told at most once a second, with how many there were. */
  #refuse(request: IncomingMessage, error: unknown): void {
    this.#refused++;
    const { clock } = this.#context;
    const now = clock.monotonic();
    if (now - this.#refusedAt < REFUSED_EVERY_MS) return;
    const attributes = { 'agent.reason': errorText(error), 'agent.refused': this.#refused };
    const who = request.socket.remoteAddress ?? '';
    const place = { interface: '', namespace: '', messageType: 0, eventType: 0, sequence: ++this.#sequence };
    this.#refused = 0;
    this.#refusedAt = now;
    this.#emit([{ ...place, type: CALLER_REFUSED, subject: who, time: clock.now(), synthetic: true, attributes }]);
  }

  async #identify(request: IncomingMessage, identify: WhoAsks): Promise<AgentPeer> {
    try {
      return await identify(request);
    } catch (error) {
      if (error instanceof AppError && error.code === 'POLICY_REFUSED') this.#refuse(request, error);
      throw error;
    }
  }

  async #handle(
    request: IncomingMessage,
    body: () => Promise<Body>,
    gone: AbortSignal,
    identify: WhoAsks,
  ): Promise<Answer> {
    const url = new URL(request.url ?? '/', 'http://node');
    if (url.pathname !== PATH && !url.pathname.startsWith(`${PATH}/`))
      throw new AppError('NOT_FOUND', `nothing is at ${url.pathname}; questions are asked by POST ${PATH}`);
    if (request.method !== 'POST')
      return {
        status: 405,
        body: { error: `${request.method ?? ''} is not answered here, expected POST` },
        headers: { allow: 'POST' },
      };
    const peer = await this.#identify(request, identify);
    const named = url.pathname.slice(PATH.length + 1) || url.searchParams.get('dialect');
    const fixed = named ? dialectNamed(named) : null;
    const asked = await body();
    const dialect = fixed ?? dialectOf(asked);
    const call: AgentCall = { ...dialect.read(asked), dialect: dialect.name, peer, truncated: false };
    const asking = { dialect, patienceMs: patience(url, dialect) * SHARE_OF_PATIENCE, gone };
    return this.#ask(call, asking, request.headers.traceparent);
  }

  async #ask(call: AgentCall, asking: Asking, traced: string | string[] | undefined): Promise<Answer> {
    const { clock } = this.#context;
    const { dialect, patienceMs } = asking;
    const startedAt = clock.monotonic();
    const time = clock.now();
    const seen = this.#sessions.hear(call);
    const fact = `${this.#life}-${++this.#facts}`;
    const traceparent = typeof traced === 'string' ? traced : callTraceparent(call);
    const deadlineMs = Math.min(this.#config.deadline, patienceMs);
    const inquiry = { call, fact, time, deadlineMs, ...(traceparent === undefined ? {} : { traceparent }) };
    const said = await this.#context.ask(inquiry);
    const judgedMs = clock.monotonic() - startedAt;
    const verdict = await this.#withPeople(said, call, `agent-${fact}`, { ...asking, since: startedAt });
    const tookMs = clock.monotonic() - startedAt;
    const { paired, bypass, unasked } = seen;
    // People take their time: how long the hooks took is told apart.
    const judged = { ...judgedAttributes(verdict, judgedMs), 'agent.asked': said.decision === 'ask' || undefined };
    const drafts = [this.#draft(call, inquiry, { ...judged, 'agent.paired': paired }, verdict)];
    if (bypass !== null) drafts.push(this.#bypassed(call, time, { 'agent.cause': bypass, 'agent.unasked': unasked }));
    this.#emit(drafts);
    this.#logDecision(verdict, call, tookMs);
    const body = dialect.answer(verdict, call, { eventId: `agent-${fact}`, tookMs });
    return { status: 200, body, headers: dialect.blocksByExit(verdict, call) ? blockingExit(verdict) : {} };
  }

  /** A verdict `ask` goes to the runtime's own user, or to the queue, as the hook wants and the runtime can. */
  async #withPeople(
    verdict: Verdict,
    call: AgentCall,
    id: string,
    { dialect, patienceMs, gone, since }: Asking & { readonly since: number },
  ): Promise<Verdict> {
    const { decision, approval } = verdict;
    if (decision !== 'ask' || approval === null || approval.by === 'agent') return verdict;
    if (approval.by === 'either' && dialect.asksItself(call)) return verdict;
    const leftMs = patienceMs - (this.#context.clock.monotonic() - since);
    const waitMs = Math.min(approval.waitMs, Math.max(0, leftMs));
    const answer = await this.#context
      .askPeople({ id, call, text: this.#redact(subjectOf(call)), verdict: this.#redacted(verdict), waitMs }, gone)
      .catch((error: unknown) => ({ decision: 'deny', reason: errorText(error) }) as const);
    return { ...verdict, decision: answer.decision, reason: `${answer.reason} (${verdict.reason})` };
  }

  /** A line for each decision (spec leanvibe L39); what nobody had an opinion on is none. */
  #logDecision({ decision, hook, risk, reason }: Verdict, { name, agent, session, tool }: AgentCall, ms: number): void {
    if (decision === null) return;
    const fields = { event: name, agent, session, tool, decision, risk, hook, ms, reason: this.#redact(reason) };
    if (decision === 'allow') this.#context.log.debug(fields, 'verdict');
    else this.#context.log.info(fields, 'verdict');
  }

  #draft(
    call: AgentCall,
    { time, fact, traceparent }: { readonly time: number; readonly fact: string; readonly traceparent?: string },
    more: Attributes,
    verdict: Verdict,
  ): EventDraft {
    const draft = agentDraft(call, time);
    const { attributes, truncated } = this.#bounded({ ...draft.attributes, ...more });
    return {
      ...draft,
      attributes: truncated ? { ...attributes, 'agent.truncated': true } : attributes,
      sequence: ++this.#sequence,
      synthetic: false,
      fact,
      judged: this.#redacted(verdict).judged,
      ...(traceparent === undefined ? {} : { traceparent }),
    };
  }

  /** As it leaves the node: without secrets, and no longer than it may be. */
  #bounded(attributes: Attributes): { attributes: Attributes; truncated: boolean } {
    const cut = bounded(attributes, this.#config.maxPayload);
    const told = Object.entries(cut.attributes).map(([name, value]): [string, Attributes[string]] => {
      return [name, typeof value === 'string' && FREE_TEXT.has(name) ? this.#redact(value) : value];
    });
    return { ...cut, attributes: Object.fromEntries(told) };
  }

  #redacted(verdict: Verdict): Verdict {
    const attempts = (all: HookJudgment['attempts']): HookJudgment['attempts'] =>
      all.map((attempt) =>
        Object.assign({}, attempt, { detail: this.#redact(attempt.detail), reason: this.#redact(attempt.reason) }),
      );
    const judged = verdict.judged.map(({ hook, attempts: all }) => ({ hook, attempts: attempts(all) }));
    return { ...verdict, reason: this.#redact(verdict.reason), judged };
  }

  #bypassed(call: AgentCall, time: number, attributes: Attributes): EventDraft {
    return this.#own(HOOK_BYPASSED, call, time, attributes);
  }

  /** What the source says itself. */
  #own(type: string, call: AgentCall, time: number, more: Attributes): EventDraft {
    const draft = agentDraft(call, time);
    const { attributes } = this.#bounded({ ...draft.attributes, ...more });
    return { ...draft, type, subject: call.session, attributes, sequence: ++this.#sequence, synthetic: true };
  }

  /** Nobody who waits for an answer waits for the journal: first the answer is written, then what was heard. */
  #emit(drafts: readonly EventDraft[]): void {
    if (this.#heard.length === 0) setImmediate(() => this.#flush());
    this.#heard.push(...drafts);
  }

  #flush(): void {
    const { emit, lost, log } = this.#context;
    const drafts = this.#heard.splice(0);
    if (drafts.length === 0) return;
    if (this.#unwritten + drafts.length > MAX_UNWRITTEN) {
      lost('agent-backlog', drafts.length);
      return;
    }
    this.#unwritten += drafts.length;
    emit(drafts)
      .catch((error: unknown) => log.warn({ error: errorText(error) }, 'agent event not taken'))
      .finally(() => (this.#unwritten -= drafts.length));
  }

  async #expireSessions(): Promise<void> {
    const { clock } = this.#context;
    const { signal } = this.#halt;
    while (!signal.aborted) {
      await clock.sleep(EXPIRY_CHECK_MS, signal).catch(() => undefined);
      if (signal.aborted) return;
      const gone = this.#sessions.expired();
      if (gone.length > 0) this.#emit(gone.map((call) => this.#own(SESSION_EXPIRED, call, clock.now(), {})));
    }
  }
}

/** Attributes with what people, agents and tools say; the others are names and numbers. */
const FREE_TEXT = new Set(
  ['text', 'command', 'path', 'url', 'input', 'response', 'reason'].map((name) => `agent.${name}`),
);

/** What a call is about, in one text. */
function subjectOf(call: AgentCall): string {
  return commandOf(call) || pathOf(call) || urlOf(call) || JSON.stringify(call.input);
}

/** Throws POLICY_REFUSED for who may not. */
type WhoAsks = (request: IncomingMessage) => Promise<AgentPeer>;

/** Who asks, in which form, and for how long they wait: ours ends before. */
interface Asking {
  readonly dialect: Dialect;
  readonly patienceMs: number;
  readonly gone: AbortSignal;
}

/** What the runtime gives us, milliseconds: as the caller says in seconds (`?timeout=60`), else the dialect's default. */
function patience(url: URL, { patienceMs }: Dialect): number {
  const said = url.searchParams.get('timeout');
  if (said === null) return patienceMs;
  const seconds = Number(said);
  if (seconds > 0 && seconds <= 86_400) return seconds * 1000;
  throw new AppError('MESSAGE_INVALID', `timeout is ${JSON.stringify(said)}, expected seconds, more than 0`);
}

/** `$(NODE_IP):7412`, as Kubernetes writes a variable: pods of every node have the same file. Throws CONFIG_INVALID. */
export function inEnvironment(address: string, env: NodeJS.ProcessEnv): string {
  return address.replace(/^\$\((\w+)\)/, (_, name: string) => {
    const value = env[name] ?? '';
    if (value === '')
      throw new AppError('CONFIG_INVALID', `listen is "${address}", but the environment has no ${name}`);
    return value.includes(':') && !value.startsWith('[') ? `[${value}]` : value;
  });
}

/** What `trotline-hook` ends with, and says to the runtime. */
function blockingExit({ reason, stop }: Verdict): Readonly<Record<string, string>> {
  const said = oneLine(stop ?? reason, MAX_REASON) || 'refused by a hook';
  return { 'trotline-exit': '2', 'trotline-reason': encodeURIComponent(said) };
}

function judgedAttributes({ decision, reason, hook, risk }: Verdict, tookMs: number): Attributes {
  return {
    'agent.verdict': decision ?? undefined,
    'agent.reason': reason === '' ? undefined : reason,
    'agent.hook': hook === '' ? undefined : hook,
    'agent.risk': risk,
    'agent.decided_us': Math.round(tookMs * 1000),
  };
}

/** Long texts are cut, with how long they were. */
function bounded(attributes: Attributes, max: number): { attributes: Attributes; truncated: boolean } {
  let cut: Record<string, Attributes[string]> | null = null;
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value !== 'string' || value.length <= max) continue;
    cut ??= { ...attributes };
    cut[name] = `${value.slice(0, max)}… (${value.length} characters)`;
  }
  return { attributes: cut ?? attributes, truncated: cut !== null };
}

import { randomBytes } from 'node:crypto';
import type { IncomingMessage, Server } from 'node:http';
import { join } from 'node:path';

import {
  type AgentCall,
  agentDraft,
  AppError,
  type Attributes,
  type Component,
  errorText,
  type EventDraft,
  HOOK_BYPASSED,
  type Infer,
  NO_PEER,
  SESSION_EXPIRED,
  type SourceContext,
  type Verdict,
} from '#core';

import type { Body } from '../../bodies.ts';
import type { config } from './config.ts';
import { type Dialect, dialectNamed, dialectOf } from './dialects/index.ts';
import { type Answer, close, createHookServer, listenAt } from './server.ts';
import { callTraceparent, Sessions } from './sessions.ts';

const PATH = '/v1/hooks';
/** Our answer comes before the runtime stops waiting. */
const SHARE_OF_PATIENCE = 0.9;
/** Events that wait for the journal at a time; more are counted as lost. */
const MAX_UNWRITTEN = 10_000;
const EXPIRY_CHECK_MS = 30_000;

export class AgentSource implements Component {
  readonly #config: Infer<typeof config>;
  readonly #context: SourceContext;
  readonly #life = randomBytes(6).toString('hex');
  readonly #sessions: Sessions;
  readonly #halt = new AbortController();
  readonly #socketPath: string;
  #server: Server | null = null;
  #sequence = 0;
  #facts = 0;
  #unwritten = 0;
  #chores: Promise<void> = Promise.resolve();

  constructor(options: Infer<typeof config>, context: SourceContext) {
    this.#config = options;
    this.#context = context;
    this.#socketPath = options.socket ?? join(context.folder, 'agent.sock');
    const { sessionIdle: idleMs, silentTurns } = options;
    this.#sessions = new Sessions({ idleMs, silentTurns, now: () => context.clock.monotonic() });
  }

  async start(): Promise<void> {
    const { maxBody, socketMode, socketGroup = null } = this.#config;
    this.#server = createHookServer({ maxBodyBytes: maxBody, handle: (...asked) => this.#handle(...asked) });
    await listenAt(this.#server, { path: this.#socketPath, mode: Number.parseInt(socketMode, 8), group: socketGroup });
    this.#context.report({ status: 'ok', hears: `agents at ${this.#socketPath}` });
    this.#chores = this.#expireSessions();
  }

  async drain(deadline: AbortSignal): Promise<void> {
    if (this.#server) await close(this.#server, deadline);
  }

  async stop(): Promise<void> {
    this.#halt.abort();
    if (this.#server) await close(this.#server);
    await this.#chores;
  }

  async #handle(request: IncomingMessage, body: () => Promise<Body>, gone: AbortSignal): Promise<Answer> {
    const url = new URL(request.url ?? '/', 'http://node');
    if (url.pathname !== PATH && !url.pathname.startsWith(`${PATH}/`))
      throw new AppError('NOT_FOUND', `nothing is at ${url.pathname}; questions are asked by POST ${PATH}`);
    if (request.method !== 'POST')
      return {
        status: 405,
        body: { error: `${request.method ?? ''} is not answered here, expected POST` },
        headers: { allow: 'POST' },
      };
    const named = url.pathname.slice(PATH.length + 1) || url.searchParams.get('dialect');
    const fixed = named ? dialectNamed(named) : null;
    const asked = await body();
    const dialect = fixed ?? dialectOf(asked);
    const call: AgentCall = { ...dialect.read(asked), dialect: dialect.name, peer: NO_PEER, truncated: false };
    const asking = { dialect, patienceMs: patience(url, dialect) * SHARE_OF_PATIENCE, gone };
    return { status: 200, body: await this.#ask(call, asking, request.headers.traceparent) };
  }

  async #ask(call: AgentCall, asking: Asking, traced: string | string[] | undefined): Promise<object> {
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
    const verdict = await this.#withPeople(said, call, `agent-${fact}`, { ...asking, since: startedAt });
    const tookMs = clock.monotonic() - startedAt;
    const { paired, bypass, unasked } = seen;
    const judged = judgedAttributes(verdict, tookMs);
    const drafts = [this.#draft(call, inquiry, { ...judged, 'agent.paired': paired }, verdict)];
    if (bypass !== null) drafts.push(this.#bypassed(call, time, { 'agent.cause': bypass, 'agent.unasked': unasked }));
    this.#emit(drafts);
    return dialect.answer(verdict, call, { eventId: `agent-${fact}`, tookMs });
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
      .askPeople({ id, call, verdict, waitMs }, gone)
      .catch((error: unknown) => ({ decision: 'deny', reason: errorText(error) }) as const);
    return { ...verdict, decision: answer.decision, reason: `${answer.reason} (${verdict.reason})` };
  }

  #draft(
    call: AgentCall,
    { time, fact, traceparent }: { readonly time: number; readonly fact: string; readonly traceparent?: string },
    more: Attributes,
    { judged }: Verdict,
  ): EventDraft {
    const draft = agentDraft(call, time);
    const { attributes, truncated } = bounded({ ...draft.attributes, ...more }, this.#config.maxPayload);
    return {
      ...draft,
      attributes: truncated ? { ...attributes, 'agent.truncated': true } : attributes,
      sequence: ++this.#sequence,
      synthetic: false,
      fact,
      judged,
      ...(traceparent === undefined ? {} : { traceparent }),
    };
  }

  #bypassed(call: AgentCall, time: number, attributes: Attributes): EventDraft {
    return this.#own(HOOK_BYPASSED, call, time, attributes);
  }

  /** What the source says itself. */
  #own(type: string, call: AgentCall, time: number, more: Attributes): EventDraft {
    const draft = agentDraft(call, time);
    const { attributes } = bounded({ ...draft.attributes, ...more }, this.#config.maxPayload);
    return { ...draft, type, subject: call.session, attributes, sequence: ++this.#sequence, synthetic: true };
  }

  /** Nobody who waits for an answer waits for the journal. */
  #emit(drafts: readonly EventDraft[]): void {
    const { emit, lost, log } = this.#context;
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

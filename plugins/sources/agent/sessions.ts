/** What the node knows of each agent's session: which calls were asked about, and whether it still asks. */
import { createHash } from 'node:crypto';

import type { AgentCall } from '#core';

/** Sessions that are followed at a time; beyond, the one silent for longest is forgotten. */
const MAX_SESSIONS = 10_000;
/** Calls of one session that may be under way. */
const MAX_OPEN = 1000;
/** A tool may run so long across a restart of ours: its Post then has a Pre that we never saw. */
const LONGEST_CALL_MS = 600_000;

const PRE = new Set(['PreToolUse']);
const POST = new Set(['PostToolUse', 'PostToolUseFailure']);
const TURN_END = new Set(['Stop', 'StopFailure']);

interface Session {
  readonly call: AgentCall;
  lastAt: number;
  /** Calls that were asked about and have not ended. */
  readonly open: Set<string>;
  asked: number;
  turns: number;
  silentTurns: number;
  readonly firstSeenAt: number;
}

export interface SessionsOptions {
  readonly idleMs: number;
  readonly silentTurns: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** What a session's event shows beside itself. */
export interface Seen {
  /** Of a Post: whether its Pre was asked; undefined for events without a partner. */
  readonly paired: boolean | undefined;
  /** Why this shows that somebody was not asked; null: it does not. */
  readonly bypass: string | null;
  readonly unasked: number;
}

const NOTHING: Seen = { paired: undefined, bypass: null, unasked: 0 };

export class Sessions {
  readonly #options: SessionsOptions;
  readonly #startedAt: number;
  /** The one silent for longest first. */
  readonly #sessions = new Map<string, Session>();

  constructor(options: SessionsOptions) {
    this.#options = options;
    this.#startedAt = options.now();
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Called with every event, in the order in which they came. */
  hear(call: AgentCall): Seen {
    if (call.session === '') return NOTHING;
    const key = keyOf(call);
    const known = this.#sessions.get(key);
    const now = this.#options.now();
    const session = known ?? begin(call, now);
    session.lastAt = now;
    this.#sessions.delete(key);
    if (call.name === 'SessionEnd') return NOTHING;
    this.#sessions.set(key, session);
    if (this.#sessions.size > MAX_SESSIONS) this.#forgetOldest();
    if (PRE.has(call.name)) return asked(session, call);
    if (POST.has(call.name)) return this.#answered(session, call);
    return TURN_END.has(call.name) ? this.#turnEnded(session) : NOTHING;
  }

  /** Those that have been silent for too long, forgotten by this. */
  expired(): AgentCall[] {
    const before = this.#options.now() - this.#options.idleMs;
    const gone: AgentCall[] = [];
    for (const [key, { lastAt, call }] of this.#sessions) {
      if (lastAt > before) break;
      this.#sessions.delete(key);
      gone.push(call);
    }
    return gone;
  }

  #answered(session: Session, call: AgentCall): Seen {
    if (session.open.delete(partnerOf(call))) return { ...NOTHING, paired: true };
    // It began before we did: who was asked then is not known.
    const isOurs = session.asked > 0 || session.firstSeenAt - this.#startedAt > LONGEST_CALL_MS;
    const bypass = isOurs ? 'a tool was used without a question before it' : null;
    return { paired: false, bypass, unasked: 1 };
  }

  #turnEnded(session: Session): Seen {
    session.turns++;
    session.silentTurns++;
    const usedToAsk = session.asked >= session.turns - session.silentTurns;
    if (session.asked === 0 || !usedToAsk || session.silentTurns !== this.#options.silentTurns) return NOTHING;
    return {
      ...NOTHING,
      bypass: 'the session asked before each use of a tool and does not any more',
      unasked: session.silentTurns,
    };
  }

  #forgetOldest(): void {
    const [oldest] = this.#sessions.keys();
    if (oldest !== undefined) this.#sessions.delete(oldest);
  }
}

/** One agent's session is no other pod's, whatever it calls itself. */
function keyOf({ session, peer }: AgentCall): string {
  return `${peer.namespace}/${peer.pod || peer.podUid}/${session}`;
}

function begin(call: AgentCall, now: number): Session {
  return { call, lastAt: now, open: new Set(), asked: 0, turns: 0, silentTurns: 0, firstSeenAt: now };
}

function asked(session: Session, call: AgentCall): Seen {
  session.asked++;
  // The end of this turn makes it 0.
  session.silentTurns = -1;
  session.open.add(partnerOf(call));
  const [oldest] = session.open;
  if (session.open.size > MAX_OPEN && oldest !== undefined) session.open.delete(oldest);
  return NOTHING;
}

/** What a Pre and its Post have in common: the call's id, else the tool with its input. */
export function partnerOf({ toolUseId, tool, input }: AgentCall): string {
  return toolUseId === '' ? `${tool} ${JSON.stringify(input)}` : toolUseId;
}

/** One trace for a Pre and its Post, where the runtime brings none: the same call gives the same context. */
export function callTraceparent(call: AgentCall): string | undefined {
  if (!PRE.has(call.name) && !POST.has(call.name)) return undefined;
  const digest = createHash('sha256')
    .update(`${keyOf(call)}\n${partnerOf(call)}`)
    .digest('hex');
  return `00-${digest.slice(0, 32)}-${digest.slice(32, 48)}-01`;
}

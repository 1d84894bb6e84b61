/** Events of agents as LeanVibe's hook events, each once (spec leanvibe B1, B5). */
import { objectOf, type ReportBatch, type Scalar, type TrotlineEvent } from '#core';

/** Events whose id is remembered: one that several hooks take comes with each of their outcomes. */
const REMEMBERED = 20_000;

/** The eight keys of the original, and the id that the history knows the event by. */
export interface HookEventView {
  readonly event_id: string;
  readonly hook_type: string;
  readonly agent_id: string;
  readonly session_id: string | null;
  readonly timestamp: string;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly correlation_id: string | null;
  /** 1 is most urgent, 10 least. */
  readonly priority: number;
  readonly metadata: Readonly<Record<string, unknown>>;
}

export function hookEventOf({ id, node, time, namespace, attributes }: TrotlineEvent): HookEventView {
  const given = (name: string): Scalar | null => attributes[`agent.${name}`] ?? null;
  const text = (name: string): string => String(given(name) ?? '');
  const { input, ...rest } = { input: parsed(text('input')), response: given('response'), text: given('text') };
  return {
    event_id: id,
    hook_type: text('event'),
    agent_id: text('id'),
    session_id: text('session') || null,
    timestamp: new Date(time).toISOString(),
    payload: { tool_name: given('tool'), parameters: input, ...rest, cwd: given('cwd') },
    correlation_id: text('correlation') || text('tool_use_id') || null,
    priority: Number(given('priority') ?? 5),
    metadata: {
      node,
      namespace,
      dialect: given('dialect'),
      verdict: given('verdict'),
      risk: given('risk'),
      reason: given('reason'),
      hook: given('hook'),
      decided_us: given('decided_us'),
      truncated: given('truncated') === true,
    },
  };
}

/** What was cut is no JSON any more: then it is told as it is. */
function parsed(text: string): unknown {
  if (text === '') return {};
  try {
    return objectOf(JSON.parse(text));
  } catch {
    return { text };
  }
}

/** Picks the events of agents out of what sidecars report, each when it first comes. */
export class AgentEvents {
  readonly #seen = new Set<string>();
  readonly #listeners = new Set<(event: TrotlineEvent) => void>();

  subscribe(listener: (event: TrotlineEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  stored(batch: ReportBatch): void {
    if (this.#listeners.size === 0) return;
    for (const event of batch.events) {
      if (event.source !== 'agent' || this.#seen.has(event.id)) continue;
      this.#seen.add(event.id);
      const [oldest] = this.#seen;
      if (this.#seen.size > REMEMBERED && oldest !== undefined) this.#seen.delete(oldest);
      for (const listener of this.#listeners) listener(event);
    }
  }
}

/** What an attempt tells the next one of the same delivery: which conversation, and which task, to go on with. */
import { type Attempt, checkConfig, type Infer, MAX_REMEMBERED, Type } from '#core';

const optional = (description: string) => Type.Optional(Type.String({ minLength: 1, description }));

/** Version 1. */
const Memory = Type.Object(
  {
    v: Type.Literal(1, { description: 'Of this format.' }),
    agent: Type.String({ description: 'Which agent: another one knows nothing of it.' }),
    since: Type.Number({ description: 'Wall clock of the first attempt, in milliseconds.' }),
    context: optional('Conversation.'),
    task: optional('Task.'),
  },
  { additionalProperties: true },
);
type Memory = Infer<typeof Memory>;

/** What is remembered of this delivery to this agent. */
export class Remembered {
  readonly #attempt: Attempt;
  #memory: Memory;

  constructor(attempt: Attempt, agent: string, nowMs: number) {
    this.#attempt = attempt;
    this.#memory = readMemory(attempt.remembered, agent) ?? { v: 1, agent, since: nowMs };
  }

  get since(): number {
    return this.#memory.since;
  }

  get context(): string | null {
    return this.#memory.context ?? null;
  }

  get task(): string | null {
    return this.#memory.task ?? null;
  }

  /** Durable when it resolves. */
  async keep(parts: { readonly context?: string; readonly task?: string }): Promise<void> {
    const { context, task } = this.#memory;
    const next = { ...this.#memory, ...parts };
    if (next.context === '') delete next.context;
    if (next.task === '') delete next.task;
    if (next.context === context && next.task === task) return;
    this.#memory = next;
    const text = JSON.stringify(next);
    // Names that long cannot be kept: after a crash the message is sent again, under its old id.
    if (text.length <= MAX_REMEMBERED) await this.#attempt.remember(text);
  }
}

function readMemory(text: string | null, agent: string): Memory | null {
  if (text === null) return null;
  try {
    const { value } = checkConfig(Memory, JSON.parse(text));
    return value?.agent === agent ? value : null;
  } catch {
    return null;
  }
}

/** Why a call of an agent came to nothing, and whether another attempt may do better. */
export class AgentFailure extends Error {
  readonly status: 'retry' | 'rejected';
  /** The agent asks for at least this pause. */
  readonly afterMs: number | undefined;

  constructor(status: 'retry' | 'rejected', message: string, options: { afterMs?: number | undefined } = {}) {
    super(message);
    this.name = 'AgentFailure';
    this.status = status;
    this.afterMs = options.afterMs;
  }
}

/** The failure at the bottom of what a library threw; null: there is none. */
export function failureIn(error: unknown): AgentFailure | null {
  for (let inner = error; inner instanceof Error; inner = inner.cause) if (inner instanceof AgentFailure) return inner;
  return null;
}

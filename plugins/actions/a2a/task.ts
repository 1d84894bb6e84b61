/** A task as it is followed: what its agent has said so far, bounded. No protocol version in here. */
const MAX_TEXT = 65_536;
const MAX_ARTIFACTS = 64;

export type State =
  | 'submitted'
  | 'working'
  | 'completed'
  | 'failed'
  | 'canceled'
  | 'rejected'
  | 'input-required'
  | 'auth-required'
  /** A2A 0.3 has the word. */
  | 'unknown';

export interface Status {
  readonly state: State;
  /** What the agent says with it. */
  readonly said: string;
}

export interface ArtifactPart {
  readonly id: string;
  readonly text: string;
  /** Behind what is there already. */
  readonly append: boolean;
}

/** One thing that an agent tells. `artifacts` of a whole task replace those before. */
export type Update =
  | { readonly kind: 'message'; readonly text: string }
  | {
      readonly kind: 'task';
      readonly taskId: string;
      readonly contextId: string;
      readonly status: Status;
      readonly artifacts: readonly ArtifactPart[];
    }
  | { readonly kind: 'status'; readonly taskId: string; readonly contextId: string; readonly status: Status }
  | { readonly kind: 'artifact'; readonly taskId: string; readonly contextId: string; readonly artifact: ArtifactPart };

const ENDS: ReadonlySet<State> = new Set([
  'completed',
  'failed',
  'canceled',
  'rejected',
  // Nobody is there to answer: for a hook the task ends here.
  'input-required',
  'auth-required',
]);

export class TaskView {
  readonly id: string;
  readonly contextId: string;
  #status: Status = { state: 'submitted', said: '' };
  /** Its newest words, with whatever state. */
  #lastSaid = '';
  readonly #artifacts = new Map<string, string>();

  constructor(id: string, contextId: string) {
    this.id = id;
    this.contextId = contextId;
  }

  get state(): State {
    return this.#status.state;
  }

  get ended(): boolean {
    return ENDS.has(this.#status.state);
  }

  /** What the agent said with its state; what it made, when it said nothing. */
  get said(): string {
    return this.#status.said || this.#made();
  }

  /** What the agent made; what it said last, when it made no text. */
  get text(): string {
    return this.#made() || this.#lastSaid;
  }

  apply(update: Exclude<Update, { kind: 'message' }>): void {
    if (update.kind === 'artifact') return this.#add(update.artifact);
    this.#status = update.status;
    if (update.status.said !== '') this.#lastSaid = update.status.said;
    if (update.kind !== 'task') return;
    this.#artifacts.clear();
    for (const artifact of update.artifacts) this.#add(artifact);
  }

  #add({ id, text, append }: ArtifactPart): void {
    const before = this.#artifacts.get(id);
    if (before === undefined && this.#artifacts.size >= MAX_ARTIFACTS) return;
    this.#artifacts.set(id, bounded(append ? (before ?? '') + text : text));
  }

  #made(): string {
    return bounded([...this.#artifacts.values()].filter((text) => text !== '').join('\n\n'));
  }
}

/** At most 64 KiB of UTF-8. */
export function bounded(text: string): string {
  const bytes = Buffer.from(text.slice(0, MAX_TEXT));
  if (text.length <= MAX_TEXT && bytes.length <= MAX_TEXT) return text;
  return bytes
    .subarray(0, MAX_TEXT)
    .toString()
    .replace(/\uFFFD$/, '');
}

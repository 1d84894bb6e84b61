import type { EventSummary, HookOutcome } from '../store/types.ts';
import { eventLine, flatEvent, shortType } from './event-text.ts';
import { jsonText, safe, type Terminal } from './output.ts';

/** An event's first line waits so long for its other hooks. */
const GATHER_MS = 150;
/** More lines in a second become one summary a type. */
const LINES_PER_SECOND = 20;
/** Printed events that are remembered, to print only what is new of them. */
const REMEMBERED = 10_000;

export interface LiveLinesOptions {
  readonly terminal: Terminal;
  /** JSON lines instead of text. */
  readonly json: boolean;
  readonly now?: () => number;
}

/**
 * Live events, one line each: time, what, which, then each hook with its result. A later result of an event is a line of
 * its own; storms are folded.
 */
export class LiveLines {
  readonly #options: LiveLinesOptions;
  readonly #now: () => number;
  readonly #waiting = new Map<string, EventSummary>();
  readonly #printed = new Map<string, ReadonlyMap<string, string>>();
  readonly #folded = new Map<string, { events: number; failed: number; pending: number; hooks: Set<string> }>();
  #timer: NodeJS.Timeout | null = null;
  #second = 0;
  #lines = 0;

  constructor(options: LiveLinesOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /** Takes an event as it stands now; the same one comes again whenever one of its hooks got further. */
  add(event: EventSummary): void {
    this.#waiting.set(event.id, event);
    this.#timer ??= setTimeout(() => this.flush(), GATHER_MS);
  }

  /** Prints what waits. */
  flush(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    for (const event of this.#waiting.values()) this.#print(event);
    this.#waiting.clear();
    this.#closeSecond();
    if (this.#folded.size > 0) this.#timer = setTimeout(() => this.flush(), GATHER_MS);
  }

  /** Prints everything, also the summary of a second that has not ended. */
  end(): void {
    this.flush();
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    this.#unfold();
  }

  #print(event: EventSummary): void {
    const before = this.#printed.get(event.id);
    const fresh = event.hooks.filter((hook) => before?.get(hook.hook) !== stateOf(hook));
    if (before && fresh.length === 0) return;
    this.#remember(event);
    const { terminal, json } = this.#options;
    if (json) {
      terminal.out(`${jsonText(flatEvent(event))}\n`);
      return;
    }
    this.#closeSecond();
    if (this.#lines >= LINES_PER_SECOND) {
      this.#fold(event, fresh);
      return;
    }
    this.#lines++;
    terminal.out(eventLine(event, fresh, terminal, this.#now()));
  }

  #remember(event: EventSummary): void {
    this.#printed.delete(event.id);
    this.#printed.set(event.id, new Map(event.hooks.map((hook) => [hook.hook, stateOf(hook)])));
    const [oldest] = this.#printed.keys();
    if (this.#printed.size > REMEMBERED && oldest !== undefined) this.#printed.delete(oldest);
  }

  #closeSecond(): void {
    const second = Math.floor(this.#now() / 1000);
    if (second === this.#second) return;
    this.#unfold();
    this.#second = second;
    this.#lines = 0;
  }

  #fold({ type }: EventSummary, hooks: readonly HookOutcome[]): void {
    const entry = this.#folded.get(type) ?? { events: 0, failed: 0, pending: 0, hooks: new Set<string>() };
    entry.events++;
    for (const { hook, outcome } of hooks) {
      entry.hooks.add(hook);
      if (FAILED.has(outcome)) entry.failed++;
      if (outcome === 'pending') entry.pending++;
    }
    this.#folded.set(type, entry);
  }

  #unfold(): void {
    const { terminal } = this.#options;
    const { paint } = terminal;
    for (const [type, { events, failed, pending, hooks }] of this.#folded) {
      const bad = [
        failed > 0 ? paint('red', `${failed.toLocaleString('en')} ✗`) : '',
        pending > 0 ? paint('yellow', `${pending.toLocaleString('en')} …`) : '',
      ].filter((text) => text !== '');
      const result = bad.length === 0 ? paint('green', 'all ✔') : bad.join('  ');
      const many = `${hooks.size} hook${hooks.size === 1 ? '' : 's'}`;
      terminal.out(
        `${' '.repeat(12)}  ${safe(shortType(type))} ×${events.toLocaleString('en')} in 1 s, ${many}, ${result}\n`,
      );
    }
    this.#folded.clear();
  }
}

const FAILED: ReadonlySet<string> = new Set(['rejected', 'expired', 'interrupted', 'dropped']);

/** What must differ before a hook's result is worth another line. */
function stateOf({ outcome, attempts }: HookOutcome): string {
  return `${outcome} ${outcome === 'pending' ? attempts.length : ''}`;
}

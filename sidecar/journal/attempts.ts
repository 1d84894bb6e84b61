import type { AttemptRecord } from '#core';

import type { JournalRecord } from './records.ts';
import type { Position } from './segment-log.ts';

/** Characters of each text that stay in memory. */
const BEGINNING = 256;
/** What an attempt takes in memory beside its texts, about. */
const BARE_BYTES = 300;

/**
 * Attempts of pending entries pile up for as long as a receiver is away, so memory has the beginnings of their texts only:
 * that is enough to decide and to tell how an entry stands. The outcome takes the whole from the journal.
 */
export class KeptAttempts {
  /** Records that hold the whole of those with beginnings only. */
  readonly #places = new WeakMap<AttemptRecord, Position>();
  #bytes = 0;

  /** In memory, about. */
  get bytes(): number {
    return this.#bytes;
  }

  /** What stays in memory of an attempt that the record at `position` holds whole. */
  keep(attempt: AttemptRecord, position: Position): AttemptRecord {
    const { reason, detail, output } = attempt;
    const long = [reason, detail, output].some((text) => text.length > BEGINNING);
    const kept = long
      ? { ...attempt, reason: beginning(reason), detail: beginning(detail), output: beginning(output) }
      : attempt;
    if (long) this.#places.set(kept, position);
    this.#bytes += bytesOf(kept);
    return kept;
  }

  release(attempts: readonly AttemptRecord[]): void {
    for (const attempt of attempts) this.#bytes -= bytesOf(attempt);
  }

  /** The record at `position` holds them all. */
  moved(attempts: readonly AttemptRecord[], position: Position): void {
    for (const attempt of attempts) if (this.#places.has(attempt)) this.#places.set(attempt, position);
  }

  /** Where the whole is to be read; null: this is it. */
  place(attempt: AttemptRecord): Position | null {
    return this.#places.get(attempt) ?? null;
  }
}

/** The whole of an attempt, out of the record that holds it. */
export function wholeAttempt(record: JournalRecord | null, { action, number }: AttemptRecord): AttemptRecord | null {
  if (record?.k === 'result') return record.attempt;
  if (record?.k !== 'carry') return null;
  return record.attempts.find((attempt) => attempt.action === action && attempt.number === number) ?? null;
}

/** Copied, for a slice would keep the whole text in memory. */
function beginning(text: string): string {
  return text.length <= BEGINNING ? text : Buffer.from(text.slice(0, BEGINNING)).toString();
}

function bytesOf({ reason, detail, output }: AttemptRecord): number {
  return BARE_BYTES + reason.length + detail.length + output.length;
}

import type { Clock } from '#core';

const KEPT = 10_000;

/**
 * What `ask` answered, for `ms` milliseconds under one key: those who ask at once share one question. A rejection is
 * never kept. Beyond 10,000 keys the oldest goes.
 */
export function remembered<V>(clock: Clock, ms: number): (key: string, ask: () => Promise<V>) => Promise<V> {
  const known = new Map<string, { readonly answer: Promise<V>; readonly until: number }>();
  return (key, ask) => {
    const found = known.get(key);
    if (found && found.until > clock.monotonic()) return found.answer;
    const answer = ask();
    known.delete(key);
    known.set(key, { answer, until: clock.monotonic() + ms });
    const oldest = known.size > KEPT ? known.keys().next().value : undefined;
    if (oldest !== undefined) known.delete(oldest);
    answer.catch(() => {
      if (known.get(key)?.answer === answer) known.delete(key);
    });
    return answer;
  };
}

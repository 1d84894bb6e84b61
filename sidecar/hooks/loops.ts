import { type Clock, errorText, type Hook, hookId, type Log, loopOf, type TrotlineEvent } from '#core';

import { changedOf } from '../groups.ts';
import type { Pipeline } from '../pipeline.ts';

/** Says that a hook does not answer the consequences of its own answers any longer: once for each owner in the hook's time. */
export class Loops {
  readonly #pipeline: Pick<Pipeline, 'say'>;
  readonly #clock: Clock;
  readonly #log: Log;
  /** By hook and owner, until when it was said. Monotonic. */
  readonly #said = new Map<string, number>();

  constructor(pipeline: Pick<Pipeline, 'say'>, clock: Clock, log: Log) {
    this.#pipeline = pipeline;
    this.#clock = clock;
    this.#log = log;
  }

  cut(hook: Hook, event: TrotlineEvent, depth: number): void {
    const { id, namespace } = event;
    const changed = changedOf(event);
    const owner = changed.slice(namespace.length + 1);
    const name = hookId(hook);
    const now = this.#clock.monotonic();
    for (const [key, until] of this.#said) if (until <= now) this.#said.delete(key);
    const key = `${name} ${changed}`;
    if (this.#said.has(key)) return;
    this.#said.set(key, now + loopOf(hook.spec).per);
    this.#log.warn(
      { hook: name, namespace, owner, depth },
      'loop cut: what agents changed led to this again and again',
    );
    const word = {
      type: 'hooks.loop-cut',
      subject: key,
      namespace,
      attributes: { 'hooks.hook': name, 'hooks.owner': owner, 'hooks.event': id, 'hooks.depth': depth },
    };
    this.#pipeline
      .say('hooks', [word])
      .catch((error: unknown) => this.#log.warn({ error: errorText(error) }, 'loop not told'));
  }
}

import type { TrotlineEvent } from '#core';

import { eventually } from '../../kit/eventually.ts';
import { hookYaml, type Thread } from '../../kit/thread.ts';
import { netnsThread } from './kit.ts';

/** Every event of the whole source, in the order of its numbers. */
export class Ear {
  readonly #events: TrotlineEvent[] = [];

  async listen(source: object = {}, spec = 'run: sync'): Promise<Thread> {
    const handled = (event: TrotlineEvent): void => void this.#events.push(event);
    return netnsThread({
      hooks: { 'a.yaml': hookYaml('all', { spec }) },
      handled,
      source: { settleTimes: [], ...source },
    });
  }

  get events(): TrotlineEvent[] {
    return this.#events.toSorted((one, other) => one.sequence - other.sequence);
  }

  /** The events of a type, once there are so many. */
  async heard(type: string, count = 1): Promise<TrotlineEvent[]> {
    return eventually(() => {
      const found = this.events.filter((event) => event.type === `netlink.${type}`);
      if (found.length < count)
        throw new Error(`${found.length} of ${count} ${type}: ${this.types().slice(-20).join(' ')}`);
      return found;
    });
  }

  types(): string[] {
    return this.events.map(({ type }) => type.replace('netlink.', ''));
  }
}

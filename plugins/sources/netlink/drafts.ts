import type { Attributes, Clock, EventDraft } from '#core';

import type { LinkEvent } from './link-event.ts';

const LINK = 1;

/** The events of one life, numbered from 1. */
export class Drafts {
  readonly #clock: Clock;
  #sequence = 0;
  #time = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** One look at the clock for all that follow. */
  beginBatch(): void {
    this.#time = this.#clock.now();
  }

  link({ type, ifname, messageType, attributes }: LinkEvent): EventDraft {
    return {
      type: `netlink.${type}`,
      subject: ifname,
      time: this.#time,
      sequence: ++this.#sequence,
      synthetic: false,
      interface: ifname,
      namespace: '',
      messageType,
      eventType: LINK,
      attributes,
    };
  }

  /** Found by a dump, without a message of its own. */
  difference(event: LinkEvent): EventDraft {
    const draft = this.link(event);
    return { ...draft, synthetic: true, attributes: { ...draft.attributes, 'netlink.resynced': true } };
  }

  /** The lost ones use up numbers; 0: how many is unknown. */
  overflow(lost: number): EventDraft {
    this.#sequence += lost;
    const subject = lost === 0 ? 'messages lost, their number is unknown' : `${lost} messages lost`;
    return this.#notice('overflow', subject, { 'netlink.overflow.lost': lost });
  }

  /** `lost`: how many messages the differences stand for; null: none was missed, they came without messages. */
  resynced(lost: number | null, differences: number): EventDraft {
    const attributes = { 'netlink.overflow.lost': lost ?? undefined, 'netlink.resynced.differences': differences };
    return this.#notice('resynced', `${differences} differences found`, attributes);
  }

  #notice(type: 'overflow' | 'resynced', subject: string, attributes: Attributes): EventDraft {
    return {
      type: `netlink.${type}`,
      subject,
      time: this.#time,
      sequence: ++this.#sequence,
      synthetic: true,
      interface: '',
      namespace: '',
      messageType: 0,
      eventType: 0,
      attributes,
    };
  }
}

import type { Attributes, Clock, EventDraft } from '#core';

import { type Change, FAMILIES } from './change.ts';
import type { NamespaceName } from './namespace.ts';

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

  notified(change: Change, namespace: NamespaceName): EventDraft {
    return {
      type: `netlink.${change.type}`,
      subject: change.subject,
      time: this.#time,
      sequence: ++this.#sequence,
      synthetic: false,
      interface: change.ifname,
      namespace: namespace.name,
      messageType: change.messageType,
      eventType: FAMILIES[change.family].eventType,
      attributes: namespace.nsid < 0 ? change.attributes : { ...change.attributes, 'netlink.nsid': namespace.nsid },
    };
  }

  /** Found by a dump, without a message of its own. */
  difference(change: Change, namespace: NamespaceName): EventDraft {
    return this.#made(change, namespace, { 'netlink.resynced': true });
  }

  /** What existed when the source started. */
  snapshot(change: Change, namespace: NamespaceName): EventDraft {
    return { ...this.#made(change, namespace, {}), type: 'netlink.snapshot' };
  }

  /** What the state over time says of a link, beside the messages. */
  state(type: 'link-settled' | 'link-flapping', link: LinkState, attributes: Attributes): EventDraft {
    const { namespace, ifname, ifindex } = link;
    const change = {
      type,
      family: 'link',
      subject: ifname,
      ifname,
      messageType: 0,
      attributes: { 'netlink.link.ifname': ifname, 'netlink.link.ifindex': ifindex, ...attributes },
      repeats: false,
    } as const;
    return this.#made(change, namespace, {});
  }

  /** The lost ones use up numbers; 0: how many is unknown. */
  overflow(lost: number): EventDraft {
    this.#sequence += lost;
    const subject = lost === 0 ? 'messages lost, their number is unknown' : `${lost} messages lost`;
    return this.#notice('overflow', subject, '', { 'netlink.overflow.lost': lost });
  }

  /** `lost`: how many messages the differences stand for; null: none was missed, they came without messages. */
  resynced(lost: number | null, differences: number, { name }: NamespaceName): EventDraft {
    const attributes = { 'netlink.overflow.lost': lost ?? undefined, 'netlink.resynced.differences': differences };
    return this.#notice('resynced', `${differences} differences found`, name, attributes);
  }

  namespaceAdded(namespace: NamespaceName): EventDraft {
    return this.#notice('netns-added', namespace.name, namespace.name, identityOf(namespace));
  }

  /** `listed`: all that was in it was known at some time. */
  namespaceDeleted(namespace: NamespaceName, listed: boolean): EventDraft {
    const attributes = { ...identityOf(namespace), 'netlink.netns.listed': listed };
    return this.#notice('netns-deleted', namespace.name, namespace.name, attributes);
  }

  #made(change: Change, namespace: NamespaceName, more: Attributes): EventDraft {
    const draft = this.notified(change, namespace);
    return { ...draft, synthetic: true, attributes: { ...draft.attributes, ...more } };
  }

  #notice(
    type: 'overflow' | 'resynced' | 'netns-added' | 'netns-deleted',
    subject: string,
    namespace: string,
    attributes: Attributes,
  ): EventDraft {
    return {
      type: `netlink.${type}`,
      subject,
      time: this.#time,
      sequence: ++this.#sequence,
      synthetic: true,
      interface: '',
      namespace,
      messageType: 0,
      eventType: 0,
      attributes,
    };
  }
}

function identityOf({ nsid, inode }: NamespaceName): Attributes {
  return { 'netlink.nsid': nsid, 'netlink.netns.inode': inode ?? undefined };
}

/** Which link it is, and where. */
export interface LinkState {
  readonly namespace: NamespaceName;
  readonly ifname: string;
  readonly ifindex: number;
}

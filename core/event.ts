import type { HookJudgment } from './verdict.ts';

/** A value of an attribute. Numbers above 2^53 are bigint; booleans appear only in attributes of our own. */
export type Scalar = string | number | bigint | boolean;

/** Flat and typed: `netlink.link.mtu` → 1500. A key that is missing or undefined is absent (spec nlmon A10.6). */
export type Attributes = Readonly<Record<string, Scalar | undefined>>;

/** What a source says of one happening; the host adds who, where and which number it was. */
export interface EventDraft {
  /** Canonical type, `netlink.link-added`: the part before the dot is the source's plugin type. */
  readonly type: string;
  /** What it is about, for people: an interface name, a pod. */
  readonly subject: string;
  /** Wall clock, milliseconds since the epoch. */
  readonly time: number;
  /** Rises by one per event in this life of the source; starts at 1. Lost ones use up numbers. */
  readonly sequence: number;
  /** Made by the source itself (a loss told, a difference found by a resync): in the sequence, but not counted as heard. */
  readonly synthetic: boolean;
  /** `''` where none applies. */
  readonly interface: string;
  /** netns for netlink (`''`: the node's own), Kubernetes namespace elsewhere. */
  readonly namespace: string;
  /** rtnetlink message number; 0 for what is no netlink message (spec nlmon A10.11). */
  readonly messageType: number;
  /** 1 link, 2 address, 3 route, 4 neighbour, 5 rule; 0 otherwise. */
  readonly eventType: number;
  readonly attributes: Attributes;
  /** W3C trace context of whoever caused it, when known. */
  readonly traceparent?: string;
  /**
   * What is told, where several may tell the same (letters, digits, `.`, `_` and `-`): it makes the event's id, and who
   * tells it again tells the same event.
   */
  readonly fact?: string;
  /** What hooks have said of it already while an agent waited (`SourceContext.ask`): they are not asked again. */
  readonly judged?: readonly HookJudgment[];
}

/** An event: the draft plus its identity. The CloudEvents form is made at the edges (`cloudEvent`). */
export interface TrotlineEvent extends Omit<EventDraft, 'fact' | 'judged'> {
  /** `<source>-<fact>`, else `<source>-<life>-<sequence>`: unique over all nodes and restarts. */
  readonly id: string;
  readonly source: string;
  readonly node: string;
  /** Which life of the source's process this is; random. */
  readonly life: string;
}

/** What conditions read of an event. Its numbers may be larger than those that sources make. */
export type EventFields = Pick<TrotlineEvent, 'interface' | 'namespace' | 'attributes'> &
  Readonly<Record<'messageType' | 'eventType' | 'time' | 'sequence', number | bigint>>;

/** The CloudEvents 1.0 JSON form (attribute names of the specification; ours are lower-case extensions). */
export interface CloudEventJson {
  readonly specversion: '1.0';
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject: string;
  readonly time: string;
  readonly datacontenttype: 'application/json';
  readonly traceparent?: string;
  readonly node: string;
  readonly sequence: string;
  readonly data: {
    readonly interface: string;
    readonly namespace: string;
    readonly message_type: number;
    readonly event_type: number;
    readonly attributes: Readonly<Record<string, string | number | boolean>>;
  };
}

/** CloudEvents 1.0, structured JSON; bigints become decimal strings, absent attributes are left out. */
export function cloudEvent(event: TrotlineEvent): CloudEventJson {
  const attributes: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(event.attributes)) {
    if (value !== undefined) attributes[name] = typeof value === 'bigint' ? value.toString() : value;
  }
  return {
    specversion: '1.0',
    id: event.id,
    source: `//trotline/${encodeURIComponent(event.node)}/${event.source}`,
    type: event.type,
    subject: event.subject,
    time: new Date(event.time).toISOString(),
    datacontenttype: 'application/json',
    ...(event.traceparent === undefined ? {} : { traceparent: event.traceparent }),
    node: event.node,
    sequence: String(event.sequence),
    data: {
      interface: event.interface,
      namespace: event.namespace,
      message_type: event.messageType,
      event_type: event.eventType,
      attributes,
    },
  };
}

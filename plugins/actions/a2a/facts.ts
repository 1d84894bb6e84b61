/** What an event says, as an agent may be given it: cleaned, bounded, and never outside a fence unless it is a plain name. */
import { oneLine, type Placeholder, type TrotlineEvent } from '#core';

const MAX_NAME = 253;
const MAX_MESSAGE = 4096;
const MAX_MEMBER = 512;
/** Names and times: nothing that could be a sentence. */
const PLAIN = /^[\w.:/@+-]{0,253}$/;

export interface Facts {
  /** Short: `oom-kill`. */
  readonly eventType: string;
  readonly resourceName: string;
  readonly namespace: string;
  readonly reason: string;
  readonly message: string;
  /** RFC 3339. */
  readonly time: string;
  /** Of a hook with `group`: all that are affected, the first of them by name. Null: the event alone. */
  readonly affected: { readonly count: number; readonly members: readonly string[] } | null;
}

export function factsOf(event: TrotlineEvent): Facts {
  return {
    eventType: oneLine(event.type.slice(event.type.indexOf('.') + 1), MAX_NAME),
    resourceName: oneLine(attribute(event, 'name') || event.subject, MAX_NAME),
    namespace: oneLine(event.namespace || attribute(event, 'namespace'), MAX_NAME),
    reason: oneLine(attribute(event, 'reason'), MAX_NAME),
    message: oneLine(attribute(event, 'message'), MAX_MESSAGE),
    time: new Date(event.time).toISOString().replace('.000Z', 'Z'),
    affected: affectedOf(event),
  };
}

function affectedOf({ attributes }: TrotlineEvent): Facts['affected'] {
  const count = Number(attributes['group.count'] ?? 0);
  if (count <= 1) return null;
  const members = String(attributes['group.members'] ?? '').split('\n');
  return { count, members: members.map((member) => oneLine(member, MAX_MEMBER)) };
}

/** Marks text of others as data. The marker holds a word of which no text inside can have a copy. */
export interface Fence {
  readonly open: string;
  readonly close: string;
  /** Text that has lost every copy of the word. */
  readonly inside: (text: string) => string;
}

export function createFence(deliveryId: string): Fence {
  const word = deliveryId.replaceAll(/[^\w-]/g, '').slice(0, 16);
  return {
    open: `<event-data ${word}>`,
    close: `</event-data ${word}>`,
    inside: (text) => (word === '' ? text : text.replaceAll(new RegExp(word, 'gi'), '[…]')),
  };
}

/** Values for a prompt: plain names stand as they are, whatever could be read as a sentence is fenced. */
export function placeholderValues(facts: Facts, fence: Fence): Readonly<Record<Placeholder, string>> {
  const fenced = (text: string): string =>
    PLAIN.test(text) ? fence.inside(text) : `${fence.open}${fence.inside(text)}${fence.close}`;
  const message = fenced(facts.message);
  return {
    ResourceName: fenced(facts.resourceName),
    EventTime: facts.time,
    Namespace: fenced(facts.namespace),
    EventMessage: message,
    EventType: fenced(facts.eventType),
    Reason: fenced(facts.reason),
    Message: message,
    Timestamp: facts.time,
  };
}

/** By its short name, or under the source's own prefix. */
function attribute({ attributes, source, type }: TrotlineEvent, name: string): string {
  const prefix = type.slice(0, type.indexOf('.'));
  const value = attributes[name] ?? attributes[`${prefix}.${name}`] ?? attributes[`${source}.${name}`];
  return value === undefined ? '' : String(value);
}

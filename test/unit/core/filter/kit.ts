import { type Condition, compileCondition, FilterError } from '../../../../core/filter/index.ts';
import type { Scalar, TrotlineEvent } from '../../../../core/event.ts';

/** Values by the names that conditions use; the basic six have defaults. */
export type Values = Readonly<Record<string, Scalar | undefined>> & Partial<Basic>;

interface Basic {
  readonly interface: string;
  readonly namespace: string;
  readonly message_type: number;
  readonly event_type: number;
  readonly timestamp: number;
  readonly sequence: number;
}

const BASIC: Basic = {
  interface: '',
  namespace: '',
  message_type: 0,
  event_type: 0,
  timestamp: 1_700_000_000_000,
  sequence: 1,
};

/** The event that has these values. */
export function eventWith(values: Values): TrotlineEvent {
  const {
    interface: name,
    namespace,
    message_type,
    event_type,
    timestamp,
    sequence,
    ...attributes
  } = { ...BASIC, ...values };
  return {
    id: `netlink-1-${sequence}`,
    source: 'netlink',
    node: 'test',
    life: '1',
    type: 'netlink.link-changed',
    subject: name,
    time: timestamp,
    sequence,
    synthetic: false,
    interface: name,
    namespace,
    messageType: message_type,
    eventType: event_type,
    attributes,
  };
}

export function matches(text: string, values: Values = {}): boolean {
  return compileCondition(text).matches(eventWith(values));
}

/** The error that refuses a text; fails when it is accepted or when anything else is thrown. */
export function refusal(text: string): FilterError {
  let accepted: Condition;
  try {
    accepted = compileCondition(text);
  } catch (error) {
    if (error instanceof FilterError) return error;
    throw error;
  }
  throw new Error(`accepted: ${accepted.text}`);
}

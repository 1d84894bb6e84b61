import type { Attempt, TrotlineEvent } from '#core';

/** The complete environment of a script (spec nlmon A10.15): nothing of ours is inherited. */
export function scriptEnvironment(event: TrotlineEvent, attempt: Attempt): Record<string, string> {
  return {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    NLMON_TIMESTAMP: String(event.time),
    NLMON_SEQUENCE: String(event.sequence),
    NLMON_EVENT_TYPE: String(event.eventType),
    NLMON_MESSAGE_TYPE: String(event.messageType),
    ...(event.interface === '' ? {} : { NLMON_INTERFACE: event.interface }),
    TROTLINE_DELIVERY_ID: attempt.deliveryId,
    TROTLINE_ATTEMPT: String(attempt.number),
    TROTLINE_HOOK: attempt.hook,
    TROTLINE_EVENT_ID: event.id,
    TROTLINE_EVENT_TYPE: event.type,
    ...(attempt.traceparent === undefined ? {} : { TRACEPARENT: attempt.traceparent }),
  };
}

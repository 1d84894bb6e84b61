import type { Attempt, TrotlineEvent } from '#core';

/** The kernel gives a program no longer `NAME=value`, its closing NUL included. */
const LONGEST_VARIABLE = 128 * 1024;

/** The complete environment of a script (spec nlmon A10.15): nothing of ours is inherited. */
export function scriptEnvironment(
  event: TrotlineEvent,
  attempt: Pick<Attempt, 'deliveryId' | 'number' | 'hook' | 'traceparent'>,
): Record<string, string> {
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

/** Why no program can be given this environment; null: it can. Event text is whatever the world says. */
export function unfit(env: Readonly<Record<string, string>>): string | null {
  for (const [name, value] of Object.entries(env)) {
    if (value.includes('\0')) return `${name} holds a NUL byte, which no program can be given`;
    const bytes = Buffer.byteLength(`${name}=${value}`) + 1;
    if (bytes > LONGEST_VARIABLE)
      return `${name} is ${bytes} bytes, at most ${LONGEST_VARIABLE} can be given to a program`;
  }
  return null;
}

/** Programs that must not compile: events, hooks and errors. Checked by `tsc --noEmit -p .`, never run. */
import {
  AppError,
  type Attributes,
  Choice,
  cloudEvent,
  createHook,
  type Hook,
  type OutcomeName,
  type Scalar,
  type TrotlineEvent,
} from '#core';

declare const event: TrotlineEvent;
declare const hook: Hook;

/** What must compile, so that the rest fails for its own reason. */
export const mtu: Scalar | undefined = event.attributes['netlink.link.mtu'];
export const right = [cloudEvent(event), createHook(hook), new AppError('NOT_FOUND', 'x')];

// @ts-expect-error an attribute may be absent, and is no number by itself
export const mtuAsNumber: number = event.attributes['netlink.link.mtu'];

declare const unknownValue: unknown;
// @ts-expect-error unknown values are no attributes
export const unknownAttributes: Attributes = { 'netlink.link.mtu': unknownValue };

// @ts-expect-error attributes are flat
export const nestedAttributes: Attributes = { netlink: { link: { mtu: 1500 } } };

// @ts-expect-error events are read only
event.time = 0;

// @ts-expect-error so are attributes
event.attributes['netlink.link.mtu'] = 1;

// @ts-expect-error no such error code
export const wrongCode = new AppError('NOT_THERE', 'x');

// @ts-expect-error no such outcome
export const wrongOutcome: OutcomeName = 'done';

// @ts-expect-error a mode is one of two words
export const wrongMode: 'enforce' | 'dry-run' = hook.spec.mode;

// @ts-expect-error the digest is not the caller's
export const ownDigest: Hook = createHook({ ...hook, digest: 5, form: 'khook' });

// @ts-expect-error the default is one of the words
export const wrongDefault = Choice(['a', 'b'], { description: 'x', default: 'c' });

import { Type } from '#core';

/** Every event the source emits (spec nlmon A10.14). */
export const eventTypes = [
  'netlink.link-added',
  'netlink.link-deleted',
  'netlink.link-up',
  'netlink.link-down',
  'netlink.link-changed',
  'netlink.overflow',
  'netlink.resynced',
] as const;

export const config = Type.Object(
  {
    receiveBuffer: Type.Integer({
      default: 33_554_432,
      minimum: 2048,
      description: "Bytes of the socket's receive buffer; 32 MiB are 0.3 s of the densest burst.",
    }),
  },
  { additionalProperties: false },
);

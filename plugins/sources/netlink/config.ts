import { Choice, Duration, Type } from '#core';

const families = ['link', 'addr', 'route', 'neigh', 'rule'] as const;

/** Every event the source emits (spec nlmon A10.14). */
export const eventTypes = [
  'netlink.link-added',
  'netlink.link-deleted',
  'netlink.link-up',
  'netlink.link-down',
  'netlink.link-changed',
  'netlink.addr-added',
  'netlink.addr-deleted',
  'netlink.addr-changed',
  'netlink.route-added',
  'netlink.route-deleted',
  'netlink.route-changed',
  'netlink.neigh-added',
  'netlink.neigh-deleted',
  'netlink.neigh-changed',
  'netlink.rule-added',
  'netlink.rule-deleted',
  'netlink.rule-changed',
  'netlink.link-settled',
  'netlink.link-flapping',
  'netlink.netns-added',
  'netlink.netns-deleted',
  'netlink.snapshot',
  'netlink.overflow',
  'netlink.resynced',
] as const;

export const config = Type.Object(
  {
    families: Type.Array(Choice(families, { description: 'A family.' }), {
      default: [...families],
      minItems: 1,
      uniqueItems: true,
      description: 'What is heard.',
    }),
    namespaces: Choice(['all', 'own'], {
      default: 'all',
      description: 'all: every network namespace of the node, as far as capabilities allow; own: that of the sidecar.',
    }),
    repeats: Choice(['emit', 'suppress'], {
      default: 'emit',
      description: 'suppress: a message that changes nothing that is watched makes no event.',
    }),
    snapshot: Type.Boolean({
      default: false,
      description: 'An event `netlink.snapshot` for each object that exists when the source starts.',
    }),
    settleTimes: Type.Array(Duration({ minimum: '100ms', maximum: '1d', description: 'A time.' }), {
      default: [3000],
      maxItems: 4,
      description: 'A link that went up or down and stayed so for one of these times makes `netlink.link-settled`.',
    }),
    flapCount: Type.Integer({
      default: 6,
      minimum: 2,
      maximum: 1000,
      description: 'So many changes between up and down within `flapWindow` make `netlink.link-flapping`.',
    }),
    flapWindow: Duration({ default: '60s', minimum: '1s', maximum: '1d', description: 'See `flapCount`.' }),
    receiveBuffer: Type.Integer({
      default: 33_554_432,
      minimum: 2048,
      maximum: 536_870_912,
      description: "Bytes of the socket's receive buffer; 32 MiB are 0.3 s of the densest burst.",
    }),
  },
  { additionalProperties: false },
);

import { type Infer, parseConfig, Type } from '#core';

/** What a sidecar is started with. */
export const SidecarOptions = Type.Object(
  {
    controlPlane: Type.String({ minLength: 1, description: 'Address of the control plane: unix:/path/to.sock.' }),
    data: Type.String({ pattern: '^/', description: 'Folder of the journal, the last good config and the identity.' }),
    node: Type.String({ minLength: 1, maxLength: 253, description: 'Name of this node.' }),
    policy: Type.Optional(Type.String({ pattern: '^/', description: 'Policy file of the node.' })),
    upHooks: Type.Optional(
      Type.String({ pattern: '^/', description: 'Hook directory of `trotline up`, whose scripts may run.' }),
    ),
    journalSync: Type.Unsafe<'none' | 'full'>({
      type: 'string',
      enum: ['none', 'full'],
      default: 'none',
      description: 'full: durable also against power loss.',
    }),
    journalMaxBytes: Type.Integer({
      default: 1 << 30,
      minimum: 1 << 20,
      description: 'Nothing new is taken in beyond this.',
    }),
    journalSegmentBytes: Type.Integer({ default: 8 << 20, minimum: 65_536, description: 'Size of one journal file.' }),
    drainMs: Type.Integer({ default: 10_000, minimum: 0, description: 'Deadline of the drain, milliseconds.' }),
  },
  { additionalProperties: false },
);
export type SidecarOptions = Infer<typeof SidecarOptions>;

export function parseSidecarOptions(input: unknown): SidecarOptions {
  return parseConfig(SidecarOptions, input, 'sidecar options');
}

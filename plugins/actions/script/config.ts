import { Choice, Duration, Type } from '#core';

/** No program can be given a NUL byte. */
const TEXT = '^[^\\u0000]*$';

function Limit(minimum: number, description: string) {
  return Type.Optional(Type.Integer({ minimum, maximum: Number.MAX_SAFE_INTEGER, description }));
}

export const config = Type.Object(
  {
    command: Type.Optional(
      Type.Array(Type.String({ pattern: TEXT }), {
        minItems: 1,
        description: 'Program (absolute path) and arguments; no shell in between.',
      }),
    ),
    ref: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 1024,
        description:
          'OCI image that the program is a file of: `ghcr.io/acme/hooks@sha256:…`. The node has to allow it.',
      }),
    ),
    script: Type.Optional(
      Type.String({
        minLength: 1,
        pattern: TEXT,
        description:
          "In nlmon's and Claude Code's documents only: one absolute path, or shell text where the node allows it.",
      }),
    ),
    timeout: Duration({
      default: '30s',
      minimum: '1ms',
      maximum: '49d',
      description: 'SIGKILL to the whole process tree after this long.',
    }),
    stdin: Choice(['none', 'event'], {
      default: 'none',
      description: 'event: the CloudEvents JSON on stdin; none: /dev/null.',
    }),
    protocol: Choice(['event', 'claude-command'], {
      default: 'event',
      description:
        "event: it is told; claude-command: it judges while an agent waits (Claude Code's JSON on stdin, an answer on stdout, exit 2 denies).",
    }),
    user: Type.Optional(
      Type.String({
        pattern: '^[^\\s:\\u0000]+(:[^\\s:\\u0000]+)?$',
        description: "`user` or `user:group`, by name or number; the sidecar's own otherwise.",
      }),
    ),
    directory: Type.Optional(
      Type.String({ pattern: '^/[^\\u0000]*$', description: 'Working directory; `/` otherwise.' }),
    ),
    limits: Type.Optional(
      Type.Object(
        {
          cpuSeconds: Limit(1, 'Processor time.'),
          memoryBytes: Limit(1, 'Address space.'),
          openFiles: Limit(3, 'Open descriptors.'),
          processes: Limit(1, "Processes of the script's user."),
          fileBytes: Limit(0, 'Largest file it may write.'),
          cgroup: Type.Optional(
            Type.Object(
              {
                memoryBytes: Limit(1, 'Memory; beyond it the whole tree gets SIGKILL.'),
                pids: Limit(1, 'Processes and threads.'),
                cpuPercent: Limit(1, 'Processor time; 100 is one processor.'),
              },
              { additionalProperties: false, minProperties: 1, description: 'Of all processes together (cgroup v2).' },
            ),
          ),
        },
        { additionalProperties: false, description: 'Resource limits of each process.' },
      ),
    ),
  },
  { additionalProperties: false },
);

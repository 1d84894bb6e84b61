import { Choice, Duration, Type } from '#core';

export const config = Type.Object(
  {
    command: Type.Optional(
      Type.Array(Type.String(), {
        minItems: 1,
        description: 'Program (absolute path) and arguments; no shell in between.',
      }),
    ),
    script: Type.Optional(
      Type.String({ minLength: 1, description: 'Shell text, for nlmon documents where the node allows it.' }),
    ),
    timeout: Duration({
      default: '30s',
      minimum: '1ms',
      description: 'SIGKILL to the whole process tree after this long.',
    }),
    stdin: Choice(['none', 'event'], {
      default: 'none',
      description: 'event: the CloudEvents JSON on stdin; none: /dev/null.',
    }),
    user: Type.Optional(Type.String({ minLength: 1, description: 'user or user:group, by name or number.' })),
    directory: Type.Optional(Type.String({ pattern: '^/', description: 'Working directory; / otherwise.' })),
    limits: Type.Optional(
      Type.Object(
        {
          cpuSeconds: Type.Optional(Type.Integer({ minimum: 1, description: 'Processor time.' })),
          memoryBytes: Type.Optional(Type.Integer({ minimum: 1, description: 'Address space.' })),
          openFiles: Type.Optional(Type.Integer({ minimum: 3, description: 'Open descriptors.' })),
          processes: Type.Optional(Type.Integer({ minimum: 1, description: "Processes of the script's user." })),
          fileBytes: Type.Optional(Type.Integer({ minimum: 0, description: 'Largest file it may write.' })),
        },
        { additionalProperties: false, description: 'Resource limits of each process.' },
      ),
    ),
  },
  { additionalProperties: false },
);

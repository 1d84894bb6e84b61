import { Choice, Duration, RISKS, Type } from '#core';

const closed = { additionalProperties: false } as const;

const Pattern = Type.Object(
  {
    pattern: Type.String({
      minLength: 1,
      maxLength: 1000,
      'x-regex': true,
      description:
        'Regular expression, searched in the command as it is written, and in the command with its words expanded.',
    }),
    risk: Choice(RISKS, { default: 'HIGH', description: 'What a command is that matches.' }),
    reason: Type.String({ default: 'matches a pattern of the hook', description: 'Said to the agent and its user.' }),
  },
  closed,
);

export const config = Type.Object(
  {
    deny: Choice(['LOW', 'MEDIUM', 'HIGH', 'CRITICAL', 'never'], {
      default: 'CRITICAL',
      description: 'From this risk on: deny.',
    }),
    ask: Choice(['LOW', 'MEDIUM', 'HIGH', 'CRITICAL', 'never'], {
      default: 'MEDIUM',
      description: 'From this risk on, below `deny`: ask.',
    }),
    allow: Type.Array(Type.String({ minLength: 1 }), {
      default: [],
      description:
        'Commands that are trusted: exactly as written, or with `*` at the end for any further arguments of the same single command.',
    }),
    ignore: Type.Array(Type.String({ pattern: '^[a-z][a-z0-9-]*$' }), {
      default: [],
      description: 'Rules that do not count, by the name that is in each reason.',
    }),
    workspaces: Type.Array(Type.String({ pattern: '^/[^*?]*$' }), {
      default: [],
      description: 'Folders where deleting is fine; empty: the folder that the agent works in.',
    }),
    patterns: Type.Array(Pattern, {
      default: [],
      maxItems: 1000,
      description: "Dangerous commands beside the guard's own rules.",
    }),
    validators: Type.Array(
      Type.Object(
        {
          command: Type.Optional(
            Type.Array(Type.String({ minLength: 1 }), {
              minItems: 1,
              description: 'Program (absolute path) and arguments, in claude-command form.',
            }),
          ),
          url: Type.Optional(
            Type.String({
              pattern: '^https?://',
              format: 'url',
              description: 'Endpoint that answers in the same JSON.',
            }),
          ),
          timeout: Duration({
            default: '5s',
            minimum: '10ms',
            maximum: '10m',
            description: 'Without an answer by then: deny.',
          }),
        },
        { ...closed, description: 'Asked about every tool call; one that fails denies.' },
      ),
      { default: [], maxItems: 16, description: "Judges of one's own, beside the rules." },
    ),
    cache: Duration({ default: '5m', description: 'How long a judged command is remembered; 0 turns it off.' }),
    cacheSize: Type.Integer({
      default: 2000,
      minimum: 1,
      maximum: 100_000,
      description: 'So many commands are remembered.',
    }),
    approve: Type.Boolean({
      default: false,
      description: "Answer allow, not no opinion, to what is SAFE: the runtime's own question is then skipped.",
    }),
  },
  closed,
);

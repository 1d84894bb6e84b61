import { AGENT_EVENT_TYPES, Duration, LISTEN_ADDRESS, Type } from '#core';

export const eventTypes = AGENT_EVENT_TYPES;

export const config = Type.Object(
  {
    socket: Type.Optional(
      Type.String({
        pattern: '^/[^\\u0000]{1,100}$',
        description:
          'Unix socket that agents of this node ask at. Default: `agent.sock` in the data folder of the sidecar.',
      }),
    ),
    socketMode: Type.String({
      default: '0600',
      pattern: '^0?[0-7]{3}$',
      description: 'Who may connect, octal: 0600 its owner, 0660 its group, 0666 every user of the node.',
    }),
    socketGroup: Type.Optional(
      Type.Integer({ minimum: 0, description: 'Number of the group that the socket belongs to.' }),
    ),
    users: Type.Array(Type.Integer({ minimum: 0 }), {
      default: [],
      description:
        'Numbers of the users that may ask at the socket, by peer credentials; without `users` and `groups`: whoever can connect.',
    }),
    groups: Type.Array(Type.Integer({ minimum: 0 }), {
      default: [],
      description: 'Numbers of the groups whose members may ask at the socket, beside `users`.',
    }),
    podFolder: Type.String({
      default: '/var/log/pods',
      pattern: '^/',
      description:
        "Where the kubelet has a folder for each pod (`namespace_name_uid`): tells a pod's name from its cgroup.",
    }),
    listen: Type.Optional(
      Type.String({
        pattern: LISTEN_ADDRESS,
        'x-expected': 'host:port',
        description:
          'Address for agents that cannot reach the socket; `$(NODE_IP):7412` takes the host from the environment. Every request needs a token. Default: none.',
      }),
    ),
    tokenFile: Type.Optional(
      Type.String({
        pattern: '^/',
        description: 'File with the token of those who ask at `listen`, read again when it changes.',
      }),
    ),
    audience: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 253,
        description:
          'Audience of the projected service-account tokens that name pods at `listen`; checked with the keys of the cluster.',
      }),
    ),
    deadline: Duration({
      default: '30s',
      minimum: '50ms',
      maximum: '10m',
      description: 'Judges answer within this, and within nine tenths of what the runtime gives.',
    }),
    maxPayload: Type.Integer({
      default: 100_000,
      minimum: 1000,
      maximum: 1_000_000,
      description: 'Characters of one part (input, response, text) that are kept of an event; judges see all of it.',
    }),
    redact: Type.Object(
      {
        patterns: Type.Array(Type.String({ minLength: 1, maxLength: 1000, 'x-regex': true }), {
          default: [],
          maxItems: 100,
          description: 'Regular expressions; words that one matches are taken out, too.',
        }),
        emails: Type.Boolean({ default: true, description: 'Addresses of people are taken out.' }),
      },
      {
        additionalProperties: false,
        default: {},
        description: 'Secrets are taken out of what is kept and told (`[redacted]`); judges on the node see all of it.',
      },
    ),
    maxBody: Type.Integer({
      default: 8 << 20,
      minimum: 65_536,
      maximum: 64 << 20,
      description: 'Bytes of one request; a larger one is refused (413).',
    }),
    sessionIdle: Duration({
      default: '1h',
      minimum: '1m',
      description: 'A session that is silent for so long has ended (agent.session-expired).',
    }),
    silentTurns: Type.Integer({
      default: 5,
      minimum: 1,
      description:
        'So many turns without a question, in a session that used to ask, are a bypass (agent.hook-bypassed).',
    }),
  },
  { additionalProperties: false },
);

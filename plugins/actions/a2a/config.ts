import { Duration, Type } from '#core';

import { Secret } from '../../secrets.ts';

/** Where kagent is, and as whom khook called it, when nobody says otherwise. */
export const KAGENT_URL = 'http://kagent-controller.kagent.svc.cluster.local:8083';
export const KAGENT_USER = 'admin@kagent.dev';

const HTTP_URL = '^https?://[^/?#@\\s]+([/?#]\\S*)?$';
const PEM = '^\\s*-----BEGIN [A-Z ]+-----';
const closed = { additionalProperties: false } as const;

/** Headers that say what the request is, or how the connection works: never a hook's to set. */
const RESERVED =
  'content-type|content-length|content-encoding|accept|a2a-.*|x-a2a-.*|x-user-id|traceparent|host|connection|keep-alive|' +
  'proxy-.*|te|trailer|transfer-encoding|upgrade|expect';

const Kagent = Type.Object(
  {
    agent: Type.String({
      pattern: '^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[a-z0-9]([-a-z0-9.]*[a-z0-9])?$',
      'x-expected': 'namespace/name',
      description: 'Which agent: `namespace/name`.',
    }),
    url: Type.String({
      default: KAGENT_URL,
      pattern: HTTP_URL,
      format: 'url',
      description: "Base URL of kagent's controller.",
    }),
    userId: Type.String({
      default: KAGENT_USER,
      pattern: '^[\\x21-\\x7e]{1,100}$',
      description: 'As whom the session is opened: `X-User-ID`.',
    }),
  },
  { ...closed, description: 'An agent of kagent: a session is opened, then the agent is called in it.' },
);

const Tls = Type.Object(
  {
    ca: Type.Optional(
      Secret({
        pattern: PEM,
        description: "PEM of the authorities of the agent's certificate, in place of the known.",
      }),
    ),
    cert: Type.Optional(Secret({ pattern: PEM, description: "PEM of the client's certificate." })),
    key: Type.Optional(Secret({ pattern: PEM, description: 'PEM of its key.' })),
  },
  {
    ...closed,
    dependentRequired: { cert: ['key'], key: ['cert'] },
    description: 'Own authorities, and a certificate to show (mTLS).',
  },
);

const ApiKey = Type.Object(
  {
    header: Type.String({
      default: 'X-API-Key',
      pattern: `^(?!(?i:${RESERVED})$)[\\w!#$%&'*+.^\`|~-]+$`,
      description: 'Name of the header.',
    }),
    value: Secret({ pattern: '^[\\t\\x20-\\x7e]+$', description: 'The key: one line of ASCII.' }),
  },
  { ...closed, description: 'A key that is sent in a header.' },
);

export const config = Type.Object(
  {
    kagent: Type.Optional(Kagent),
    url: Type.Optional(
      Type.String({
        pattern: HTTP_URL,
        format: 'url',
        description: 'Any other A2A agent: its base URL, or the URL of its card (`….json`). Either this or `kagent`.',
      }),
    ),
    prompt: Type.String({
      minLength: 1,
      maxLength: 65_536,
      description: 'What the agent is asked; `{{.ResourceName}}` and seven other placeholders are filled in.',
    }),
    timeout: Duration({
      default: '120s',
      minimum: '1s',
      maximum: '1h',
      description: 'Limit for the whole task; then it is canceled.',
    }),
    bearer: Type.Optional(Secret({ pattern: '^[\\x21-\\x7e]+$', description: 'Token of `Authorization: Bearer`.' })),
    apiKey: Type.Optional(ApiKey),
    tls: Type.Optional(Tls),
    proxy: Type.Optional(
      Type.String({ pattern: HTTP_URL, format: 'url', description: 'HTTP proxy that every request goes through.' }),
    ),
  },
  { ...closed, oneOf: [{ required: ['kagent'] }, { required: ['url'] }] },
);

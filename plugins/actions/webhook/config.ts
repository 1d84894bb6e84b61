import { AggregationRule, BATCH_SIZE, Choice, Duration, Type } from '#core';

import { Secret } from '../../secrets.ts';

/** Headers that say what the delivery is, or how the connection works: never a hook's to set. */
const RESERVED =
  'content-type|content-length|content-encoding|idempotency-key|webhook-.*|traceparent|host|connection|keep-alive|' +
  'proxy-.*|te|trailer|transfer-encoding|upgrade|expect';

export const config = Type.Object(
  {
    url: Type.String({
      pattern: '^https?://[^/?#@\\s]+([/?#]\\S*)?$',
      format: 'url',
      description: 'Endpoint that receives the event; without user and password.',
    }),
    timeout: Duration({ default: '5s', minimum: '100ms', maximum: '10m', description: 'Limit for one request.' }),
    protocol: Choice(['cloudevents', 'claude-http'], {
      default: 'cloudevents',
      description:
        "cloudevents: it is told; claude-http: it judges while an agent waits (Claude Code's JSON in the request, an answer in the 2xx response).",
    }),
    secret: Type.Optional(
      Secret({
        pattern: '^(?!whsec_)|^whsec_[A-Za-z0-9+/]+={0,2}$',
        description: 'Signs each request: `whsec_` and base64, or any other text, whose bytes are the key.',
      }),
    ),
    headers: Type.Record(
      Type.String(),
      Secret({ pattern: '^[\\t\\x20-\\x7e]+$', description: 'Value of the header: one line of ASCII.' }),
      {
        default: {},
        propertyNames: { type: 'string', pattern: `^(?!(?i:${RESERVED})$)[\\w!#$%&'*+.^\`|~-]+$` },
        description: 'Further headers; their values are treated as secrets.',
      },
    ),
    batch: Type.Optional(
      Type.Object(
        {
          size: Type.Integer({
            default: BATCH_SIZE,
            minimum: 2,
            maximum: 1000,
            description: 'Events in one request at most.',
          }),
          wait: Duration({
            default: '1s',
            minimum: '10ms',
            maximum: '10s',
            description: 'How long an event waits for others; priority 1 and 2 wait for none.',
          }),
          aggregate: Type.Boolean({
            default: false,
            description: 'Uses of tools of one agent and session are told as one, counted; others as `rules` say.',
          }),
          rules: Type.Array(AggregationRule, { default: [], description: 'How events of further types become one.' }),
        },
        { additionalProperties: false, description: 'Many events in one request: a list of CloudEvents.' },
      ),
    ),
  },
  { additionalProperties: false },
);

/** What is sent: CloudEvents 1.0 in structured mode, with the headers of Standard Webhooks. */
import { Webhook } from 'standardwebhooks';

import { AppError, type Attempt, type Clock, cloudEvent, type Infer, type TrotlineEvent } from '#core';

import type { config } from './config.ts';

type Delivery = Pick<Attempt, 'deliveryId' | 'traceparent'>;

/** Makes the requests of one action. Every secret must be here; throws CONFIG_INVALID for one that is no key. */
export function createRequests(
  options: Infer<typeof config>,
  clock: Clock,
): (event: TrotlineEvent, attempt: Delivery) => RequestInit {
  const headersOf = createHeaders(options, clock);
  return (event, delivery) => {
    const body = JSON.stringify(cloudEvent(event));
    const headers = headersOf(body, 'application/cloudevents+json', delivery);
    return { method: 'POST', headers, body, redirect: 'manual' };
  };
}

/** Signed, and with the hook's own. Throws as `createRequests`. */
export function createHeaders(
  { headers, secret }: Infer<typeof config>,
  clock: Clock,
): (body: string, contentType: string, delivery: Delivery) => Headers {
  const signer = typeof secret === 'string' ? createSigner(secret) : null;
  const own = Object.entries(headers).filter((header): header is [string, string] => typeof header[1] === 'string');

  return (body, contentType, { deliveryId, traceparent }) => {
    const now = new Date(clock.now());
    const all = new Headers(own);
    all.set('content-type', contentType);
    all.set('idempotency-key', deliveryId);
    all.set('webhook-id', deliveryId);
    all.set('webhook-timestamp', String(Math.floor(now.getTime() / 1000)));
    if (signer) all.set('webhook-signature', signer.sign(deliveryId, now, body));
    if (traceparent !== undefined) all.set('traceparent', traceparent);
    return all;
  };
}

function createSigner(secret: string): Webhook {
  if (!secret.startsWith('whsec_')) return new Webhook(Buffer.from(secret), { format: 'raw' });
  try {
    return new Webhook(secret);
  } catch {
    throw new AppError('CONFIG_INVALID', 'webhook: what follows "whsec_" in `secret` is not base64');
  }
}

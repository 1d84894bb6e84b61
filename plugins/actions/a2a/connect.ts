/** How an agent is reached: by its card where it has one, else by trying; and kagent's session before it. */
import { checkConfig, type Infer, isObject, oneLine, Type } from '#core';

import { guesses, type Offer, offersOf } from './card.ts';
import type { config } from './config.ts';
import { AgentFailure } from './failure.ts';

const CARD_PATHS = ['.well-known/agent-card.json', '.well-known/agent.json'];
const LONGEST_REASON = 300;

export interface Target {
  /** What it is called, in `agentId` and in what is remembered. */
  readonly id: string;
  /** Where the message goes without a card, and where the card is looked for. */
  readonly url: string;
  readonly kagent: Infer<typeof config>['kagent'] | null;
  /** Whether the card may send us to another origin: never with credentials. */
  readonly staysHere: boolean;
}

export function targetOf({ kagent, url = '', bearer, apiKey, tls }: Infer<typeof config>): Target {
  if (kagent) {
    const base = kagent.url.replace(/\/+$/, '');
    return { id: kagent.agent, url: `${base}/api/a2a/${kagent.agent}/`, kagent, staysHere: true };
  }
  const staysHere = bearer !== undefined || apiKey !== undefined || tls?.cert !== undefined;
  return { id: url, url, kagent: null, staysHere };
}

export interface Asking {
  readonly http: typeof globalThis.fetch;
  readonly signal: AbortSignal;
  readonly traceparent: string | undefined;
}

/** Ways to call the agent, the best first; more than one: to be tried. */
export async function findOffers({ url, kagent, staysHere }: Target, asking: Asking): Promise<Offer[]> {
  const card = await readCard(url, asking);
  if (card === null) return guesses(url);
  const offers = offersOf(card);
  // kagent's cards name the address that the controller knows itself by; ours is the one that reaches it.
  if (kagent) return offers.some(({ binding }) => binding === 'JSONRPC') ? ownOffers(offers, url) : guesses(url);
  if (offers.length === 0)
    throw new AgentFailure(
      'rejected',
      'agent card offers no way to call it that is known: JSONRPC or HTTP+JSON, of 1.0 or 0.3',
    );
  const { origin } = new URL(url);
  const here = staysHere ? offers.filter((offer) => new URL(offer.url).origin === origin) : offers;
  const [best] = here;
  if (best) return [best];
  const elsewhere = new URL(offers[0]?.url ?? url).origin;
  throw new AgentFailure('rejected', `agent card sends to ${elsewhere}: credentials are for ${origin} alone`);
}

function ownOffers(offers: readonly Offer[], url: string): Offer[] {
  const best = offers.find(({ binding }) => binding === 'JSONRPC');
  return best ? [{ ...best, url }] : [];
}

/** Null: there is none. */
async function readCard(url: string, { http, signal, traceparent }: Asking): Promise<unknown> {
  const headers = {
    accept: 'application/json',
    'a2a-version': '1.0',
    ...(traceparent === undefined ? {} : { traceparent }),
  };
  for (const place of cardPlaces(url)) {
    const response = await http(place, { headers, signal });
    if (!response.ok) {
      await response.body?.cancel();
      continue;
    }
    const card = jsonOf(await response.text());
    if (!isObject(card)) throw new AgentFailure('rejected', `agent card at ${place} is no JSON object`);
    return card;
  }
  return null;
}

function cardPlaces(url: string): string[] {
  const { pathname } = new URL(url);
  if (pathname.endsWith('.json')) return [url];
  const base = new URL(url);
  if (!pathname.endsWith('/')) base.pathname = `${pathname}/`;
  return CARD_PATHS.map((path) => String(new URL(path, base)));
}

const Session = Type.Object(
  {
    error: Type.Optional(Type.Boolean({ description: 'Whether there is none.' })),
    message: Type.Optional(Type.String({ description: 'Why.' })),
    data: Type.Optional(
      Type.Object(
        { id: Type.String({ minLength: 1, description: 'Of the session.' }) },
        { additionalProperties: true, description: 'The session.' },
      ),
    ),
  },
  { additionalProperties: true },
);

/** Opens a session at kagent's controller; returns its id, which is the A2A context. */
export async function openSession(
  kagent: NonNullable<Target['kagent']>,
  name: string,
  { http, signal, traceparent }: Asking,
): Promise<string> {
  const response = await http(`${kagent.url.replace(/\/+$/, '')}/api/sessions`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json',
      ...(traceparent === undefined ? {} : { traceparent }),
    },
    body: JSON.stringify({ agent_ref: kagent.agent, name }),
    signal,
  });
  const answer = jsonOf(await response.text());
  const { value, partial } = checkConfig(Session, answer);
  const message = isObject(partial) && typeof partial.message === 'string' ? partial.message : '';
  const said = message === '' ? '' : `: ${oneLine(message, LONGEST_REASON)}`;
  if (!response.ok) throw new AgentFailure('rejected', `kagent answered ${response.status} for a session${said}`);
  if (value?.error === true) throw new AgentFailure('rejected', `kagent opened no session${said}`);
  if (!value?.data) throw new AgentFailure('rejected', 'kagent answered with a session that has no id');
  return value.data.id;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

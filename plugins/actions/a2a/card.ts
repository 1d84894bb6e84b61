/** What an agent card offers, of A2A 1.0 or 0.3: read as far as it is needed, from JSON that anybody may have written. */
import { isObject } from '#core';

export type Binding = 'JSONRPC' | 'HTTP+JSON';
export type Version = '1.0' | '0.3';

/** One way to call an agent. */
export interface Offer {
  readonly url: string;
  readonly binding: Binding;
  readonly version: Version;
  readonly tenant: string;
  readonly streaming: boolean;
}

/** Without a card: JSON-RPC at the URL itself, the newer version first. */
export function guesses(url: string): Offer[] {
  return (['1.0', '0.3'] as const).map((version) => ({
    url,
    binding: 'JSONRPC',
    version,
    tenant: '',
    streaming: false,
  }));
}

/** The ways that we know, 1.0 first, else in the card's order. Empty: none of them. */
export function offersOf(card: unknown): Offer[] {
  if (!isObject(card)) return [];
  const streaming = isObject(card.capabilities) && card.capabilities.streaming === true;
  const offers = [...newInterfaces(card), ...oldInterfaces(card)].flatMap(({ url, binding, version, tenant }) => {
    const known = bindingOf(binding);
    const spoken = versionOf(version);
    if (typeof url !== 'string' || !URL.canParse(url) || known === null || spoken === null) return [];
    return [{ url, binding: known, version: spoken, tenant: typeof tenant === 'string' ? tenant : '', streaming }];
  });
  return offers.sort((a, b) => Number(b.version) - Number(a.version));
}

interface Written {
  readonly url: unknown;
  readonly binding: unknown;
  readonly version: unknown;
  readonly tenant?: unknown;
}

/** A2A 1.0: a list, each with its own version. */
function newInterfaces({ supportedInterfaces }: Record<string, unknown>): Written[] {
  return listOf(supportedInterfaces).map(({ url, protocolBinding, protocolVersion, tenant }) => ({
    url,
    binding: protocolBinding,
    version: protocolVersion ?? '1.0',
    tenant,
  }));
}

/** A2A 0.3 and before: one URL, others beside it. */
function oldInterfaces(card: Record<string, unknown>): Written[] {
  if (Array.isArray(card.supportedInterfaces) && card.supportedInterfaces.length > 0) return [];
  const version = card.protocolVersion ?? '0.3';
  const main = { url: card.url, binding: card.preferredTransport ?? 'JSONRPC', version };
  const others = listOf(card.additionalInterfaces).map(({ url, transport }) => ({ url, binding: transport, version }));
  return [main, ...others];
}

function bindingOf(text: unknown): Binding | null {
  const name = String(text).toUpperCase();
  return name === 'JSONRPC' || name === 'HTTP+JSON' ? name : null;
}

/** 0.2 has the same methods as 0.3. */
function versionOf(text: unknown): Version | null {
  const found = /^(\d+)(?:\.(\d+))?/.exec(String(text));
  if (!found) return null;
  if (found[1] === '1') return '1.0';
  return found[1] === '0' && (found[2] === '2' || found[2] === '3') ? '0.3' : null;
}

function listOf(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter((item: unknown) => isObject(item)) : [];
}

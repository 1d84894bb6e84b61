/**
 * HTTP for actions under the node's policy. What is judged is the address that a connection goes to, not the name in the
 * URL, so that names which change their mind, redirects and other spellings of an address all meet the same check.
 */
import { lookup as systemLookup, type LookupAddress } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';

import type { Agent, buildConnector } from 'undici';

import { AppError } from '#core';

import { rangeOf, webhookAllows } from './destinations.ts';
import type { NodePolicy } from './policy.ts';

/** Answers with every address of a name, as `dns.lookup` does with `all`. */
export type LookupAll = (
  host: string,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

export interface GuardedFetchOptions {
  /** How names become addresses; the system's way unless told otherwise. */
  readonly lookup?: LookupAll;
  /** Bounds the sockets that one slow receiver can take; further requests wait their turn. */
  readonly connectionsPerOrigin?: number;
}

export interface GuardedFetch {
  /**
   * As the global one, with a text or a URL and no form. Rejects with POLICY_REFUSED, naming host and address, before any byte goes
   * to a refused address. Proxy variables of the environment are ignored: behind a proxy nobody could say where a
   * request ends up.
   */
  readonly fetch: typeof globalThis.fetch;
  /** Waits for requests under way, then closes every connection. Safe before the first request and when repeated. */
  readonly close: () => Promise<void>;
}

export function createGuardedFetch(policy: NodePolicy, options: GuardedFetchOptions = {}): GuardedFetch {
  /** Loaded on first use: it costs a node without webhooks 26 MiB. */
  let loaded: ReturnType<typeof load> | null = null;
  let closed: Promise<void> | null = null;
  return {
    fetch: async (input, { body = null, headers, ...init } = {}) => {
      if (typeof input !== 'string' && !(input instanceof URL)) throw new TypeError('fetch takes a text or a URL here');
      if (body instanceof FormData) throw new TypeError('fetch takes no form here');
      if (closed) throw new AppError('STATE_ILLEGAL', 'fetch was called after close');
      loaded ??= load(policy, options);
      const { fetch, agent } = await loaded;
      try {
        return await fetch(input, { ...init, body, headers: [...new Headers(headers)], dispatcher: agent });
      } catch (error) {
        throw error instanceof Error && error.cause instanceof AppError ? error.cause : error;
      }
    },
    close: () => {
      closed ??= loaded === null ? Promise.resolve() : loaded.then(({ agent }) => agent.close());
      return closed;
    },
  };
}

async function load(policy: NodePolicy, options: GuardedFetchOptions) {
  const { Agent, buildConnector, fetch } = await import('undici');
  const { lookup = (host, callback) => systemLookup(host, { all: true }, callback), connectionsPerOrigin = 8 } =
    options;
  const plain = buildConnector({ allowH2: false, lookup: guardedLookup(policy, lookup) });
  const agent: Agent = new Agent({ connect: guardedConnect(policy, plain), connections: connectionsPerOrigin });
  return { fetch, agent };
}

/** Names: only addresses that the policy allows are ever tried. */
function guardedLookup(policy: NodePolicy, lookup: LookupAll): LookupFunction {
  return (host, { all }, callback) => {
    lookup(host, (error, addresses) => {
      const allowed = error ? [] : addresses.filter(({ address }) => webhookAllows(policy, host, address));
      const [first] = allowed;
      if (error) callback(error, []);
      else if (!first) callback(refusal(host, addresses[0]?.address), []);
      else if (all) callback(null, allowed);
      else callback(null, first.address, first.family);
    });
  };
}

/** Addresses written in the URL, which no lookup sees; and, of every connection, where it really went. */
function guardedConnect(policy: NodePolicy, connect: buildConnector.connector): buildConnector.connector {
  return (options, callback) => {
    const host = options.hostname.replace(/^\[(.*)\]$/, '$1');
    if (isIP(host) !== 0 && !webhookAllows(policy, host, host)) {
      callback(refusal(host, host), null);
      return;
    }
    connect(options, (...[error, socket]) => {
      if (error) {
        callback(error, null);
        return;
      }
      const { remoteAddress } = socket;
      if (remoteAddress !== undefined && webhookAllows(policy, host, remoteAddress)) {
        callback(null, socket);
        return;
      }
      socket.destroy();
      callback(refusal(host, remoteAddress), null);
    });
  };
}

function refusal(host: string, address: string | undefined): AppError {
  const where = address === undefined ? 'it has no address' : `${address} is ${rangeOf(address) ?? 'not allowed'}`;
  return new AppError('POLICY_REFUSED', `the node's policy refuses ${host}: ${where}`, { details: { host, address } });
}

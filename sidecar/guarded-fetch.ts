/**
 * HTTP for actions under the node's policy. What is judged is the address that a connection goes to, not the name in the
 * URL, so that names which change their mind, redirects and other spellings of an address all meet the same check.
 */
import { lookup as systemLookup, type LookupAddress } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';

import type { buildConnector, Dispatcher } from 'undici';

import { AppError, type Connection, type ContextFetch } from '#core';

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
  readonly fetch: ContextFetch;
  /** Waits for requests under way, then closes every connection. Safe before the first request and when repeated. */
  readonly close: () => Promise<void>;
}

export function createGuardedFetch(policy: NodePolicy, options: GuardedFetchOptions = {}): GuardedFetch {
  /** Loaded on first use: it costs a node without webhooks 26 MiB. */
  let loaded: ReturnType<typeof load> | null = null;
  let closed: Promise<void> | null = null;
  return {
    fetch: async (input, { body = null, headers, connection, ...init } = {}) => {
      if (typeof input !== 'string' && !(input instanceof URL)) throw new TypeError('fetch takes a text or a URL here');
      if (body instanceof FormData) throw new TypeError('fetch takes no form here');
      if (closed) throw new AppError('STATE_ILLEGAL', 'fetch was called after close');
      loaded ??= load(policy, options);
      const { fetch, poolOf } = await loaded;
      try {
        return await fetch(input, {
          ...init,
          body,
          headers: [...new Headers(headers)],
          dispatcher: poolOf(connection ?? DEFAULT),
        });
      } catch (error) {
        throw error instanceof Error && error.cause instanceof AppError ? error.cause : error;
      }
    },
    close: () => {
      closed ??= loaded === null ? Promise.resolve() : loaded.then(({ close }) => close());
      return closed;
    },
  };
}

/** Of requests that say nothing about how they connect. */
const DEFAULT: Connection = {};

async function load(policy: NodePolicy, options: GuardedFetchOptions) {
  const { Agent, buildConnector, fetch, Pool, ProxyAgent } = await import('undici');
  const { lookup = (host, callback) => systemLookup(host, { all: true }, callback), connectionsPerOrigin = 8 } =
    options;
  const guarded = (tls: Pick<Connection, 'ca' | 'cert' | 'key'>): buildConnector.connector =>
    guardedConnect(policy, buildConnector({ ...tls, allowH2: false, lookup: guardedLookup(policy, lookup) }));
  /** By connection: the pools go with what they were made for, and all of them at the close. */
  const pools = new Map<Connection, Dispatcher>();

  const make = ({ proxy, atOnce = connectionsPerOrigin, ...tls }: Connection): Dispatcher => {
    if (proxy === undefined) return new Agent({ connect: guarded(tls), connections: atOnce });
    // The proxy is whom we connect to, and so whom the policy judges.
    const clientFactory = (origin: URL, given: object): Dispatcher =>
      new Pool(origin, { ...given, connect: guarded({}) });
    return new ProxyAgent({ uri: proxy, requestTls: tls, connections: atOnce, clientFactory });
  };
  return {
    fetch,
    poolOf: (connection: Connection): Dispatcher => {
      const pool = pools.get(connection) ?? make(connection);
      pools.set(connection, pool);
      return pool;
    },
    close: async () => {
      await Promise.all([...pools.values()].map((pool) => pool.close()));
    },
  };
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

/** The few things that are asked of a Redis; the client is loaded here, with the first Redis. */
import { REDIS_STREAMS, type RedisEntry, type RedisStream } from './redis-entry.ts';

/** Entries of one stream; Redis may keep some more. */
const MOST_ENTRIES = 10_000;
/** Entries looked at in one call. */
const PAGE = 500;
const CONNECT_TIMEOUT_MS = 5000;
const PING_MS = 5000;
/** A Redis that answers nothing for so long is away. */
const SILENCE_MS = 15_000;
const RECONNECT_MS = 2000;

export interface RedisPort {
  /** All of them or none, in their order; rejects when it is not known that they are written. */
  write(entries: readonly RedisEntry[], ttlSeconds: number): Promise<void>;
  /** Deletes what is older. */
  trim(ttlSeconds: number): Promise<void>;
  /** Deletes what is of this session, and says how many entries that were. */
  forget(session: string): Promise<number>;
  close(): void;
}

export interface RedisEvents {
  /** The connection, which is made again by itself, is there or not. */
  readonly onReady: () => void;
  readonly onError: (error: unknown) => void;
}

/** Connects by itself, now and whenever the connection breaks. Commands reject while there is none. */
export async function openRedis(url: string, { onReady, onError }: RedisEvents): Promise<RedisPort> {
  const { createClient } = await import('redis');
  const client = createClient({
    url,
    name: 'trotline',
    disableOfflineQueue: true,
    pingInterval: PING_MS,
    socket: {
      connectTimeout: CONNECT_TIMEOUT_MS,
      socketTimeout: SILENCE_MS,
      reconnectStrategy: (retries) => Math.min(50 * 2 ** retries, RECONNECT_MS),
    },
  });
  client.on('error', onError).on('ready', onReady);
  // It resolves with the first connection, and tries until then.
  client.connect().catch(onError);

  const forgetIn = async (stream: RedisStream, session: string): Promise<number> => {
    let forgotten = 0;
    for (let from = '-'; ;) {
      const page = (await client.xRange(stream, from, '+', { COUNT: PAGE })) ?? [];
      const ids = page.filter(({ message }) => message.session_id === session).map(({ id }) => id);
      if (ids.length > 0) forgotten += await client.xDel(stream, ids);
      const last = page.at(-1);
      if (!last || page.length < PAGE) return forgotten;
      from = `(${last.id}`;
    }
  };

  return {
    async write(entries, ttlSeconds) {
      const all = client.multi();
      const trim = { strategy: 'MAXLEN', strategyModifier: '~', threshold: MOST_ENTRIES } as const;
      for (const { stream, fields } of entries) all.xAdd(stream, '*', { ...fields }, { TRIM: trim });
      for (const stream of new Set(entries.map((entry) => entry.stream))) all.expire(stream, ttlSeconds);
      await all.exec();
    },
    async trim(ttlSeconds) {
      // The ids are of its clock.
      const [seconds = '0'] = await client.sendCommand<string[]>(['TIME']);
      const oldest = Math.max(0, Number(seconds) - ttlSeconds) * 1000;
      for (const stream of REDIS_STREAMS) await client.xTrim(stream, 'MINID', oldest, { strategyModifier: '=' });
    },
    async forget(session) {
      let forgotten = 0;
      for (const stream of REDIS_STREAMS) forgotten += await forgetIn(stream, session);
      return forgotten;
    },
    close: () => client.destroy(),
  };
}

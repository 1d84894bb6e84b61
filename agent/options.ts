import { homedir } from 'node:os';
import { join } from 'node:path';

import type { OnFailure } from './result.ts';

export interface HooksOptions {
  /** Unix socket of the sidecar. Default: TROTLINE_AGENT_SOCKET, else `agent.sock` in the data folder of the sidecar. */
  readonly socket?: string;
  /** Address of the sidecar, `http://` or `https://`, where its socket cannot be reached; needs `token`. */
  readonly url?: string;
  /** Text, or what gives it for each event: a projected token changes. */
  readonly token?: string | (() => string | Promise<string>);
  /** What happens without an answer: `open` (default) goes on, `closed` denies. */
  readonly onFailure?: OnFailure;
  /** For the whole of one event, milliseconds; 10,000. Longer where people are asked. */
  readonly timeoutMs?: number;
  /** False: nothing is asked and everything goes on. */
  readonly enabled?: boolean;
}

export interface Place {
  readonly socket: string | null;
  readonly url: URL | null;
  readonly token: () => string | Promise<string>;
}

const MAX_TIMEOUT_MS = 86_400_000;

export interface Settings {
  readonly place: Place;
  readonly onFailure: OnFailure;
  readonly timeoutMs: number;
}

/** Throws `TypeError` for options that do not go together. */
export function parseOptions(options: HooksOptions): Settings {
  const { onFailure = 'open', timeoutMs = 10_000 } = options;
  if (onFailure !== 'open' && onFailure !== 'closed')
    throw new TypeError(`onFailure is ${JSON.stringify(onFailure)}, expected open or closed`);
  if (!(timeoutMs >= 1 && timeoutMs <= MAX_TIMEOUT_MS))
    throw new TypeError(`timeoutMs is ${String(timeoutMs)}, expected 1 to ${MAX_TIMEOUT_MS} milliseconds`);
  return { place: placeOf(options), onFailure, timeoutMs };
}

function placeOf({ socket, url, token }: HooksOptions): Place {
  if (url === undefined) {
    if (token !== undefined) throw new TypeError('token is for a url, there is none');
    return { socket: socket ?? usualSocket(process.env), url: null, token: () => '' };
  }
  if (socket !== undefined) throw new TypeError('socket and url are both given, expected one');
  if (token === undefined) throw new TypeError('url needs a token');
  const parsed = URL.parse(url);
  if (parsed === null || !/^https?:$/.test(parsed.protocol))
    throw new TypeError(`url is ${JSON.stringify(url)}, expected http:// or https://`);
  return { socket: null, url: parsed, token: typeof token === 'string' ? () => token : token };
}

/** Where the sidecar that `trotline up` starts listens, of this user. */
export function usualSocket(env: NodeJS.ProcessEnv, isRoot = process.getuid?.() === 0): string {
  if (env.TROTLINE_AGENT_SOCKET) return env.TROTLINE_AGENT_SOCKET;
  return join(env.TROTLINE_DATA || usualData(env, isRoot), 'sidecar', 'agent.sock');
}

function usualData({ XDG_STATE_HOME: state = '' }: NodeJS.ProcessEnv, isRoot: boolean): string {
  if (isRoot) return '/var/lib/trotline';
  return join(state.startsWith('/') ? state : join(homedir(), '.local', 'state'), 'trotline');
}

import { homedir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { createHooks, type HooksOptions } from '../../../agent/index.ts';
import { usualSocket } from '../../../agent/options.ts';

describe('the options of hooks', () => {
  it.each<[object, string]>([
    [{ onFailure: 'maybe' }, 'onFailure is "maybe", expected open or closed'],
    [{ timeoutMs: 0 }, 'timeoutMs is 0, expected 1 to 86400000 milliseconds'],
    [{ timeoutMs: Number.NaN }, 'timeoutMs is NaN'],
    [{ token: 'x' }, 'token is for a url, there is none'],
    [{ url: 'http://node' }, 'url needs a token'],
    [{ url: 'http://node', token: 'x', socket: '/x' }, 'socket and url are both given, expected one'],
    [{ url: 'node:80', token: 'x' }, 'url is "node:80", expected http:// or https://'],
    [{ url: 'nonsense', token: 'x' }, 'url is "nonsense"'],
  ])('%j do not go together', (options, message) => {
    expect(() => createHooks(options as HooksOptions)).toThrow(message);
  });

  it.each<[NodeJS.ProcessEnv, boolean, string]>([
    [{ TROTLINE_AGENT_SOCKET: '/run/a.sock', TROTLINE_DATA: '/d' }, true, '/run/a.sock'],
    [{ TROTLINE_DATA: '/d' }, true, '/d/sidecar/agent.sock'],
    [{ XDG_STATE_HOME: '/state' }, true, '/var/lib/trotline/sidecar/agent.sock'],
    [{ XDG_STATE_HOME: '/state' }, false, '/state/trotline/sidecar/agent.sock'],
    [{ XDG_STATE_HOME: 'relative' }, false, join(homedir(), '.local/state/trotline/sidecar/agent.sock')],
  ])('find the socket with %j', (env, isRoot, socket) => {
    expect(usualSocket(env, isRoot)).toBe(socket);
  });
});

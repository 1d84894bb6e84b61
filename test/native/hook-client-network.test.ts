/** `trotline-hook` of pods that mount nothing of the node. */
import { writeFile } from 'node:fs/promises';

import { describe, expect, it } from 'vitest';

import { close, createHookServer, listenOn } from '../../plugins/sources/agent/server.ts';
import { place, run } from './hook-scenarios.ts';

describe('the client of a sidecar that listens for pods', () => {
  async function listening(address: string) {
    const asked: unknown[] = [];
    const server = createHookServer({
      maxBodyBytes: 1000,
      handle: ({ headers: { authorization }, url }) => {
        asked.push({ authorization, dialect: new URL(`http://h${url}`).searchParams.get('dialect') });
        return Promise.resolve({ status: 200, body: { a: 1 } });
      },
    });
    const port = await listenOn(server, address, 0);
    const where = await place();
    return {
      asked,
      port,
      tokenFile: `${where.socket}.token`,
      async [Symbol.asyncDispose]() {
        await close(server);
        await where[Symbol.asyncDispose]();
      },
    };
  }

  it('shows its token, by options or by the environment alone, over both protocols', async () => {
    await using node = await listening('127.0.0.1');
    const token = 'e'.repeat(2000);
    await writeFile(node.tokenFile, `${token}\n`);
    const told = { status: 0, stdout: '{"a":1}', stderr: '' };
    expect(await run(['--address', `127.0.0.1:${node.port}`, '--token-file', node.tokenFile])).toEqual(told);
    const env = {
      TROTLINE_AGENT_ADDRESS: `127.0.0.1:${node.port}`,
      TROTLINE_AGENT_TOKEN_FILE: node.tokenFile,
      TROTLINE_DIALECT: 'kagent',
    };
    expect(await run([], { env })).toEqual(told);
    const authorization = `Bearer ${token}`;
    expect(node.asked).toEqual([
      { authorization, dialect: null },
      { authorization, dialect: 'kagent' },
    ]);
    await using six = await listening('::1');
    expect(await run(['--address', `[::1]:${six.port}`])).toEqual(told);
    expect(six.asked).toEqual([{ dialect: null }]);
  });

  it.each<[string, string | null, RegExp]>([
    ['is not there', null, /No such file or directory/],
    ['is empty', '\n', /has 0 bytes, expected 1 to 16384/],
    ['is too long', 'x'.repeat(20_000), /has \d+ bytes, expected 1 to 16384/],
    ['has another header in it', 'a\r\nX-Forged: b', /is no token/],
  ])('does not ask with a token that %s', async (_how, text, reason) => {
    await using node = await listening('127.0.0.1');
    if (text !== null) await writeFile(node.tokenFile, text);
    const args = ['--address', `127.0.0.1:${node.port}`, '--token-file', node.tokenFile, '--on-failure', 'closed'];
    const { status, stdout, stderr } = await run(args);
    expect({ status, stdout, asked: node.asked }).toEqual({ status: 2, stdout: '', asked: [] });
    expect(stderr).toMatch(reason);
    expect(stderr).toContain(node.tokenFile);
  });
});

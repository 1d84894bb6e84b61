import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it, onTestFinished } from 'vitest';

import { runWith } from './cli-kit.ts';

const list = (env: NodeJS.ProcessEnv) => runWith(env, ['hooks', 'list']);

describe('a control plane named by TROTLINE_API', () => {
  it.each(['nowhere', 'http://10.0.0.1:7411', 'ftp://127.0.0.1', 'file:///etc/passwd'])(
    'is none at "%s": a token goes to this machine, or over TLS',
    async (address) => {
      const { code, stderr } = await list({ TROTLINE_API: address, TROTLINE_TOKEN: 'x' });
      expect([code, stderr]).toEqual([
        2,
        `error: TROTLINE_API "${address}" is no address of a control plane, expected like http://127.0.0.1:7411, or https where it is not this machine\n`,
      ]);
    },
  );

  it('needs a token, and says where one comes from', async () => {
    const { code, stderr } = await list({ TROTLINE_API: 'http://127.0.0.1:1' });
    expect([code, stderr]).toEqual([2, expect.stringContaining('kubectl create token')]);
  });

  it('takes the token of a file, and says which one holds none', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'remote-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const env = { TROTLINE_API: 'http://127.0.0.1:1', TROTLINE_TOKEN_FILE: join(folder, 'token') };
    expect((await list(env)).stderr).toContain('cannot be read');
    await writeFile(env.TROTLINE_TOKEN_FILE, 'two words\n');
    expect((await list(env)).stderr).toContain(`${env.TROTLINE_TOKEN_FILE} holds no token`);
    await writeFile(env.TROTLINE_TOKEN_FILE, 'abc\n');
    expect(await list(env)).toMatchObject({ code: 1, stderr: expect.stringContaining('port-forward running?') });
  });

  it('is not asked where --data says another one', async () => {
    const { stderr } = await runWith({ TROTLINE_API: 'nowhere' }, ['hooks', 'list', '--data', '/nowhere']);
    expect(stderr).toContain('/nowhere');
    expect(stderr).toContain('no control plane runs');
  });
});

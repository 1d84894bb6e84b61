/** Agents that ask for the caller's certificate, and have one of an authority that only the hook knows. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { mountAgent, startPeer } from '../../kit/a2a.ts';
import { certificate } from '../../kit/certificates.ts';
import { asking } from './kit.ts';

let folder: string;
let agent: { readonly cert: string; readonly key: string };
let caller: { readonly cert: string; readonly key: string };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'a2a-tls-'));
  const made = async (name: string) => {
    const { certFile, keyFile } = certificate(folder, name);
    return { cert: await readFile(certFile, 'utf8'), key: await readFile(keyFile, 'utf8') };
  };
  [agent, caller] = [await made('agent'), await made('caller')];
});
afterAll(() => rm(folder, { recursive: true }));

async function guarded() {
  const peer = await startPeer('127.0.0.1', { ...agent, ca: caller.cert, requestCert: true, rejectUnauthorized: true });
  const diary = mountAgent(peer, '/doctor/', { version: '1.0', behave: (turn) => turn.say('mended') });
  return { url: `${peer.origin}/doctor`, diary, [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose]() };
}

describe('an agent with mTLS', () => {
  it('answers who shows a certificate that it knows, and whose authority the hook trusts', async () => {
    await using doctor = await guarded();
    await using action = asking({ url: doctor.url, tls: { ca: agent.cert, ...caller } });
    expect(await action.handle()).toMatchObject({ status: 'delivered', output: 'mended' });
    expect(doctor.diary.asked).toHaveLength(1);
  });

  it.each([
    ['no certificate', () => ({ ca: agent.cert })],
    ['the certificate of another', () => ({ ca: agent.cert, ...agent })],
  ])('is not reached with %s, and it is tried again', async (_, tls) => {
    await using doctor = await guarded();
    await using action = asking({ url: doctor.url, tls: tls() });
    expect(await action.handle()).toMatchObject({
      status: 'retry',
      reason: expect.stringMatching(/certificate|alert|ECONNRESET|closed/i),
    });
    expect(doctor.diary.asked).toEqual([]);
  });

  it('is sent nothing when its certificate is of an authority that nobody knows', async () => {
    await using doctor = await guarded();
    await using action = asking({ url: doctor.url, tls: caller });
    expect(await action.handle()).toMatchObject({
      status: 'retry',
      reason: expect.stringContaining('self-signed certificate'),
    });
    expect(doctor.diary.asked).toEqual([]);
  });
});

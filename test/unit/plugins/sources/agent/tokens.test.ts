import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { describe, expect, it, onTestFinished } from 'vitest';

import type { ClusterKeySet } from '#core';

import { createIdentify } from '../../../../../plugins/sources/agent/tokens.ts';
import { manualClock } from '../../../../kit/action-context.ts';

const ISSUER = 'https://kubernetes.default.svc';
const SECOND = 1000;

async function signer(kid: string) {
  const { publicKey, privateKey } = await generateKeyPair('RS256', { modulusLength: 2048 });
  const key = { ...(await exportJWK(publicKey)), kid, alg: 'RS256', use: 'sig' };
  const sign = (claims: object = {}, audience = 'trotline'): Promise<string> =>
    new SignJWT({
      'kubernetes.io': { namespace: 'agents', pod: { name: 'coder', uid: 'u-1' }, node: { name: 'node-1' } },
      ...claims,
    })
      .setProtectedHeader({ alg: 'RS256', kid })
      .setIssuer(ISSUER)
      .setAudience(audience)
      .setIssuedAt()
      .setExpirationTime('10m')
      .sign(privateKey);
  return { key, sign };
}

function identifyWith(sets: readonly (ClusterKeySet | null)[], options: object = { audience: 'trotline' }) {
  const asked: boolean[] = [];
  const clock = manualClock(Date.now());
  const clusterKeys = async (fresh: boolean): Promise<ClusterKeySet | null> => {
    asked.push(fresh);
    return sets[Math.min(asked.length, sets.length) - 1] ?? null;
  };
  const identify = createIdentify(options, { node: 'node-1', clock, clusterKeys });
  return {
    clock,
    asked,
    identify: (token: string) => identify(`Bearer ${token}`),
    anonymous: () => identify(undefined),
  };
}

describe('a token of a pod', () => {
  it('names it, and is checked again after a moment', async () => {
    const { key, sign } = await signer('a');
    const { identify, asked, clock } = identifyWith([{ issuer: ISSUER, keys: [key] }]);
    const token = await sign();
    expect(await identify(token)).toMatchObject({ namespace: 'agents', pod: 'coder', podUid: 'u-1', uid: null });
    await identify(token);
    expect(asked).toHaveLength(1);
    clock.advance(11 * SECOND);
    await identify(token);
    expect(asked).toHaveLength(2);
  });

  it('is refused when its pod is on another node: it speaks for another', async () => {
    const { key, sign } = await signer('a');
    const elsewhere = { namespace: 'agents', pod: { name: 'coder', uid: 'u-1' }, node: { name: 'node-2' } };
    const { identify } = identifyWith([{ issuer: ISSUER, keys: [key] }]);
    await expect(identify(await sign({ 'kubernetes.io': elsewhere }))).rejects.toMatchObject({
      code: 'POLICY_REFUSED',
      message: 'the token is of pod agents/coder on node node-2, and this is node node-1',
    });
  });

  it('with a key that is not known makes the node ask for the keys once more', async () => {
    const [old, now] = [await signer('old'), await signer('new')];
    const { identify, asked } = identifyWith([
      { issuer: ISSUER, keys: [old.key] },
      { issuer: ISSUER, keys: [old.key, now.key] },
    ]);
    expect(await identify(await now.sign())).toMatchObject({ pod: 'coder' });
    expect(asked).toEqual([false, true]);
  });

  it.each([
    ['of another issuer', async () => (await signer('a')).sign({ iss: 'https://elsewhere' }), /not good here/],
    ['that nobody signed', async () => 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.', /not good here/],
    ['that is no token', async () => 'x.y.z', /not good here/],
    ['that is endless', async () => 'x'.repeat(20_000), /too long/],
  ])('is refused %s', async (_what, tokenOf, why) => {
    const { key } = await signer('a');
    const { identify } = identifyWith([{ issuer: ISSUER, keys: [key] }]);
    await expect(identify(await tokenOf())).rejects.toThrow(why);
  });

  it('is not refused and not taken while no keys are known', async () => {
    const { sign } = await signer('a');
    await expect(identifyWith([null]).identify(await sign())).rejects.toMatchObject({ code: 'PEER_UNAVAILABLE' });
  });
});

describe('a token of a file', () => {
  it('lets in who knows it, and is read again when it changes', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'token-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const tokenFile = join(folder, 'token');
    await writeFile(tokenFile, 'first\n');
    const { identify, anonymous } = identifyWith([null], { tokenFile });
    expect(await identify('first')).toMatchObject({ pod: '' });
    await writeFile(tokenFile, 'second');
    await expect(identify('first')).rejects.toThrow('not the one of this node');
    expect(await identify('second')).toMatchObject({ pod: '' });
    await expect(anonymous()).rejects.toThrow('has no token');
    await writeFile(tokenFile, '\n');
    await expect(identify('second')).rejects.toThrow('not the one of this node');
  });
});

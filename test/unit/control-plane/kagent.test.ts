import { describe, expect, it } from 'vitest';

import { createHook, EventHookSpec, parseConfig } from '#core';

import { kagentSettings, withKagent } from '../../../control-plane/config/kagent.ts';

const SETTINGS = kagentSettings({ KAGENT_BASE_URL: 'http://kagent.example:8083', KAGENT_API_KEY: 'the-key-of-kagent' });

function pushed(parts: object, kagent: object = {}) {
  const config = {
    kagent: { agent: 'shop/doctor', url: SETTINGS.url, userId: 'admin@kagent.dev', ...kagent },
    prompt: 'x',
    ...parts,
  };
  const spec = parseConfig(EventHookSpec, { actions: [{ type: 'a2a', config }] }, 'test');
  const hook = createHook({ namespace: 'shop', name: 'a', form: 'EventHook', spec, origin: null });
  return withKagent(hook, SETTINGS).spec.actions[0]?.config;
}

describe("the cluster's key of kagent", () => {
  it('goes with calls of its kagent', () => {
    expect(pushed({})).toMatchObject({ bearer: 'the-key-of-kagent' });
  });

  it.each([
    ['another kagent', pushed({}, { url: 'http://evil.example' })],
    ["a proxy of the hook's own", pushed({ proxy: 'http://evil.example:3128' })],
    ["an authority of the hook's own", pushed({ tls: { ca: '-----BEGIN CERTIFICATE-----' } })],
  ])('does not go to %s', (_where, config) => {
    expect(config).not.toHaveProperty('bearer');
  });

  it("is not put in the place of the hook's own", () => {
    expect(pushed({ bearer: 'mine' })).toMatchObject({ bearer: 'mine' });
  });
});

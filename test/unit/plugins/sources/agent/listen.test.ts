import { expect, it } from 'vitest';

import { inEnvironment } from '../../../../../plugins/sources/agent/source.ts';

it.each([
  ['$(NODE_IP):7412', { NODE_IP: '10.0.0.7' }, '10.0.0.7:7412'],
  ['$(NODE_IP):7412', { NODE_IP: 'fd00::7' }, '[fd00::7]:7412'],
  ['127.0.0.1:7412', {}, '127.0.0.1:7412'],
  [':7412', {}, ':7412'],
])('an address of listen, %s, is where the environment says', (address, env, found) => {
  expect(inEnvironment(address, env)).toBe(found);
});

it('an address of listen that the environment does not have is refused with its name', () => {
  expect(() => inEnvironment('$(NODE_IP):7412', {})).toThrow(
    'listen is "$(NODE_IP):7412", but the environment has no NODE_IP',
  );
});

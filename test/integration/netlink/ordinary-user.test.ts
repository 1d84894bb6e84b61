import { describe, expect, it } from 'vitest';

import { ordinaryMissing } from '../../kit/netns.ts';
import { missingForNetlink, scenario } from './run.ts';

const SCRIPTS = new URL('script-scenarios.ts', import.meta.url);
const LINKS = new URL('link-scenarios.ts', import.meta.url);
const FAMILIES = new URL('family-scenarios.ts', import.meta.url);

const missing = missingForNetlink('the netlink source of an ordinary user') ?? ordinaryMissing(SCRIPTS.pathname);
if (missing !== null) console.warn(`the netlink source of an ordinary user is not tried by root: ${missing}`);

/** What root is told is compared with what must be in the tests of these scenarios. */
describe.skipIf(missing !== null)('the netlink source of an ordinary user, in a user namespace', () => {
  it.each([
    ['N6: the six fields', SCRIPTS, 'fields'],
    ['N39: links', LINKS, 'lifeOfALink'],
    ['N40: addresses', FAMILIES, 'addresses'],
    ['N40: routes', FAMILIES, 'routes'],
    ['N40: neighbours', FAMILIES, 'neighbours'],
    ['N41: rules', FAMILIES, 'rules'],
  ])('%s are told as they are told to root', async (_what, file, name) => {
    expect(await scenario(file, name, true)).toEqual(await scenario(file, name));
  });
});

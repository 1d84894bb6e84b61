import { describe, expect, it } from 'vitest';

import { netnsMissing } from '../kit/netns.ts';
import { runStorm, stormProblems } from './storm-run.ts';

/** `npm run test:storm` is the long one, and looks at the memory too. */
const SECONDS = 5;

const missing = netnsMissing();
if (missing !== null && process.env.CI === 'true') throw new Error(missing);
if (missing !== null) console.log(`skipped: the netlink storm: ${missing}`);

describe.skipIf(missing !== null)(`${SECONDS} s of changes in twenty network namespaces`, () => {
  it('balance the ledger, and leave nothing that a resync does not know', async () => {
    const figures = await runStorm(SECONDS);
    expect(stormProblems(figures, false)).toEqual([]);
    expect(figures.heard).toBeGreaterThan(1000);
    console.log(`${figures.changesPerSecond} changes and ${figures.heardPerSecond} messages a second`);
  });
});

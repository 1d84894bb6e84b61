/** Pulls an image into a cache and says what came of it as one line of JSON. Arguments: folder, reference. */
import { parseImage, systemClock } from '#core';

import { BundleCache } from '../../../sidecar/bundles/cache.ts';
import { nodePlatform } from '../../../sidecar/bundles/manifest.ts';
import { silentLog } from '../../kit/action-context.ts';
import { QUICK } from './kit.ts';

const [folder = '', reference = ''] = process.argv.slice(2);
const cache = new BundleCache({
  folder,
  settings: { credentials: null, ca: null, insecure: [] },
  limits: { ...QUICK, stallMs: 60_000, pullMs: 60_000 },
  platform: nodePlatform(),
  clock: systemClock,
  log: silentLog,
});
// No timer of ours keeps the process.
const alive = setInterval(() => undefined, 2 ** 30);
const { bundle, fetched } = await cache.pull(parseImage(reference), { signal: new AbortController().signal });
console.log(JSON.stringify({ digest: bundle.digest, fetched }));
clearInterval(alive);

/** A sidecar with telemetry from the environment and one event. Arguments: data folder, control-plane address. */
import { createLog, type SourceContext, startTelemetry, systemClock } from '#core';
import { createSidecar, parseSidecarOptions, policyForUp, sidecarId } from '#sidecar';

import { eventually } from '../../kit/eventually.ts';
import { manualSource, numberedDraft, testAction } from '../../kit/numbered.ts';

const [data = '', controlPlane = ''] = process.argv.slice(2);
const telemetry = await startTelemetry('trotline-sidecar', process.env);
let source: SourceContext | undefined;
const sidecar = createSidecar({
  options: parseSidecarOptions({ controlPlane, data, node: 'traced-node' }),
  sidecarId: await sidecarId(data),
  version: '0.0.0',
  policy: policyForUp({ hooksDirectory: data, user: 'root' }),
  sources: [manualSource((context) => void (source = context))],
  actions: [testAction(() => Promise.resolve({ status: 'delivered' }))],
  clock: systemClock,
  log: createLog('warn', 2),
});
process.on('SIGTERM', () => {
  void sidecar
    .stop(AbortSignal.timeout(5000))
    .then(() => telemetry.stop())
    .then(() => process.exit(0));
});
await sidecar.start();
await eventually(() => sidecar.hooks.runtimes.length > 0);
await source?.emit([numberedDraft(1)]);
await eventually(() => sidecar.journal.ackedSequence === 1);
process.stdout.write('outcome acknowledged\n');

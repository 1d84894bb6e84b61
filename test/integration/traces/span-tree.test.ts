import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterAll, describe, expect, it } from 'vitest';

import { dataFiles } from '#control-plane';

import { eventually } from '../../kit/eventually.ts';
import { Killable } from '../../kit/kill/processes.ts';
import { OtlpReceiver, type ReceivedSpan } from '../../kit/otlp-receiver.ts';
import { hookYaml } from '../../kit/thread.ts';

const CONTROL_PLANE = fileURLToPath(new URL('../../../control-plane/main.ts', import.meta.url));
const SIDECAR = fileURLToPath(new URL('./sidecar-child.ts', import.meta.url));

/** `name (service)`, its children indented below it, sorted. */
function tree(spans: readonly ReceivedSpan[], parentId = '', indent = ''): string[] {
  return spans
    .filter((span) => span.parentId === parentId)
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((span) => [`${indent}${span.name} (${span.service})`, ...tree(spans, span.spanId, `${indent}  `)]);
}

describe('traces of an event', () => {
  const before = process.env.OTEL_EXPORTER_OTLP_ENDPOINT;
  afterAll(() => {
    if (before === undefined) delete process.env.OTEL_EXPORTER_OTLP_ENDPOINT;
    else process.env.OTEL_EXPORTER_OTLP_ENDPOINT = before;
  });

  it('are one tree over both processes at an OTLP receiver', async () => {
    await using receiver = new OtlpReceiver();
    process.env.OTEL_EXPORTER_OTLP_ENDPOINT = await receiver.start();
    const folder = await mkdtemp(join(tmpdir(), 'trotline-traces-'));
    const files = dataFiles(folder);
    const hooks = join(folder, 'hooks');
    await mkdir(hooks);
    await writeFile(join(hooks, 'a.yaml'), hookYaml('traced', { spec: 'dedup: { key: [interface], window: 10m }' }));
    try {
      await using controlPlane = new Killable(
        CONTROL_PLANE,
        ['--data', folder, '--hooks', hooks, '--api', '127.0.0.1:0'],
        /control plane started/,
      );
      await using sidecar = new Killable(SIDECAR, [files.sidecar, `unix:${files.socket}`], /outcome acknowledged/);
      await controlPlane.start();
      await sidecar.start();
      await sidecar.kill('SIGTERM');
      await controlPlane.kill('SIGTERM');
      const spans = await eventually(() => {
        const root = receiver.spans.find(({ name }) => name === 'emit');
        const found = receiver.spans.filter(({ traceId }) => traceId === root?.traceId);
        expect(found.map(({ name }) => name)).toContain('store');
        return found;
      });
      expect(tree(spans)).toEqual([
        'emit (trotline-sidecar)',
        '  attempt (trotline-sidecar)',
        '  claim (trotline-sidecar)',
        '  report (trotline-sidecar)',
        '  route (trotline-sidecar)',
        '  store (trotline-control-plane)',
      ]);
      expect(receiver.spans.map(({ name }) => name)).toContain('config.apply');
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

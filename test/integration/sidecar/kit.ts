/** A second sidecar beside the one of a thread, and sources and actions that the test steers. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { type ActionDefinition, createLog, type EventDraft, type SourceContext, systemClock } from '#core';
import { dataFiles } from '#control-plane';
import { createSidecar, parseSidecarOptions, policyForUp, type Sidecar, sidecarId } from '#sidecar';

import { eventually } from '../../kit/eventually.ts';
import { manualSource, numberedDraft } from '../../kit/numbered.ts';
import type { Thread } from '../../kit/thread.ts';

/** A source of the test's own, which goes on over restarts of its sidecar. */
export function manual() {
  let context: SourceContext | null = null;
  let sequence = 0;
  return {
    source: manualSource((started) => {
      context = started;
      sequence = 0;
    }),
    /** Emits these numbers, each with the next sequence of its life. */
    emit: async (numbers: readonly number[], parts: Partial<EventDraft> = {}): Promise<void> => {
      await context?.emit(numbers.map((number) => numberedDraft(number, { ...parts, sequence: ++sequence })));
    },
  };
}

export interface Beside extends AsyncDisposable {
  readonly sidecar: Sidecar;
  readonly emit: ReturnType<typeof manual>['emit'];
}

/** Another node of the thread's control plane. */
export async function besideOf(thread: Thread, actions: readonly ActionDefinition[]): Promise<Beside> {
  const data = join(thread.folder, 'beside');
  await mkdir(data);
  const { source, emit } = manual();
  const sidecar = createSidecar({
    options: parseSidecarOptions({ controlPlane: `unix:${dataFiles(thread.folder).socket}`, data, node: 'beside' }),
    sidecarId: await sidecarId(data),
    version: '0.0.0',
    policy: policyForUp({ hooksDirectory: thread.hooksFolder, user: 'root' }),
    sources: [source],
    actions,
    clock: systemClock,
    log: createLog('silent', 2),
  });
  await sidecar.start();
  await eventually(() => sidecar.hooks.runtimes.length > 0);
  return { sidecar, emit, [Symbol.asyncDispose]: () => sidecar.stop(AbortSignal.timeout(2000)) };
}

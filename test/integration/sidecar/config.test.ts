import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { type ActionDefinition, createHook, defineAction, EventHookSpec, parseConfig, type Result, Type } from '#core';
import { vocabulary } from '#plugins/schemas';

import { LastGoodFile, readLastGood, writeLastGood } from '../../../sidecar/last-good.ts';
import { silentLog } from '../../kit/action-context.ts';
import { eventually } from '../../kit/eventually.ts';
import { hookYaml, startThread, type Thread } from '../../kit/thread.ts';
import { temporaryFolder, testClock } from '../../unit/sidecar/kit.ts';
import { manual } from './kit.ts';

/** Notes the versions that act; those named `bad` cannot be made. */
function versioned(acted: string[]): ActionDefinition {
  return defineAction({
    type: 'script',
    stability: 'experimental',
    config: Type.Object({ command: Type.Array(Type.String()) }, { additionalProperties: true }),
    create: ({ command: [, version = ''] }) => {
      if (version === 'bad') throw new Error('cannot be made');
      return {
        handle: (): Promise<Result> => {
          acted.push(version);
          return Promise.resolve({ status: 'delivered' });
        },
      };
    },
  });
}

const hook = (version: string): string => hookYaml('h', { config: `command: [/bin/true, ${version}]` });

async function statusOf(thread: Thread): Promise<string> {
  return JSON.stringify(await thread.api('/v1/sidecars'));
}

describe('the file of the last good hooks', () => {
  it('is written as soon as it can be, with the newest set', async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, 'not-yet', 'hooks.json');
    const set = (name: string) => ({
      version: name,
      hooks: [
        createHook({
          namespace: 'trotline',
          name,
          form: 'EventHook',
          spec: parseConfig(EventHookSpec, { actions: [{ type: 'webhook', config: { url: 'http://h/' } }] }, 'test'),
          origin: null,
        }),
      ],
    });
    const clock = testClock();
    const file = new LastGoodFile({ path, vocabulary, clock, log: silentLog });
    await file.keep(set('one'));
    await file.keep(set('two'));
    expect(await readLastGood(path, silentLog)).toBeNull();
    await mkdir(join(folder.path, 'not-yet'));
    await eventually(async () => {
      await clock.pass(1000);
      expect((await readLastGood(path, silentLog))?.version).toBe('two');
    });
    await file.stop();
  });
});

describe('the hooks of a sidecar', () => {
  it('are the last good ones when it starts without the control plane', async () => {
    const acted: string[] = [];
    const { source, emit } = manual();
    await using thread = await startThread({
      hooks: { 'a.yaml': hook('v1') },
      sources: [source],
      actions: [versioned(acted)],
    });
    await thread.stopSidecar();
    await thread.stopControlPlane();
    await thread.startSidecar();
    await emit([1]);
    await eventually(() => expect(acted).toEqual(['v1']));
  });

  it('keep the last good version of a failed one, which shows in its status within 2 s and recovers', async () => {
    const acted: string[] = [];
    const { source, emit } = manual();
    await using thread = await startThread({
      hooks: { 'a.yaml': hook('v1') },
      sources: [source],
      actions: [versioned(acted)],
    });
    await thread.writeHook('a.yaml', hook('bad'));
    await eventually(async () => expect(await statusOf(thread)).toContain('cannot be made'), { timeoutMs: 2000 });
    await emit([1]);
    await eventually(() => expect(acted).toEqual(['v1']));

    await thread.stopSidecar();
    // It never runs what the control plane has, which `startSidecar` waits for.
    await thread.startSidecar().catch(() => undefined);
    await emit([2]);
    await eventually(() => expect(acted).toEqual(['v1', 'v1']));
    await eventually(async () => expect(await statusOf(thread)).toContain('cannot be made'));

    await thread.writeHook('a.yaml', hook('v2'));
    await eventually(() => JSON.stringify(thread.sidecar.hooks.runtimes[0]?.hook.spec).includes('v2'));
    await emit([3]);
    await eventually(() => expect(acted).toEqual(['v1', 'v1', 'v2']));
    await eventually(async () => expect(await statusOf(thread)).not.toContain('cannot be made'));
  });

  it('are none when the control plane says so', async () => {
    const { source } = manual();
    await using thread = await startThread({
      hooks: { 'a.yaml': hook('v1') },
      sources: [source],
      actions: [versioned([])],
    });
    await thread.writeHook('a.yaml', '# none\n');
    await eventually(() => expect(thread.sidecar.hooks.runtimes).toHaveLength(0));
  });
});

describe('the last good config on disk', () => {
  const secret = 'hunter2-hunter2';
  const pushed = createHook({
    namespace: 'trotline',
    name: 'h',
    form: 'EventHook',
    origin: null,
    spec: parseConfig(
      EventHookSpec,
      { actions: [{ type: 'webhook', config: { url: 'https://example.org', secret } }] },
      'test',
    ),
  });

  it('holds no secrets, and then no version, so that the control plane sends them again', async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, 'hooks.json');
    await writeLastGood(path, { version: 'v1', hooks: [pushed] }, vocabulary);
    for (const file of await readdir(folder.path)) {
      expect(await readFile(join(folder.path, file), 'utf8')).not.toContain(secret);
    }
    expect(await readLastGood(path, silentLog)).toMatchObject({ version: '', hooks: [{ name: 'h' }] });
  });

  it('that was changed by other hands is not used', async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, 'hooks.json');
    await writeLastGood(path, { version: 'v1', hooks: [] }, vocabulary);
    const text = await readFile(path, 'utf8');
    await writeFile(path, text.replace('"v1"', '"v2"'));
    expect(await readLastGood(path, silentLog)).toBeNull();
  });
});

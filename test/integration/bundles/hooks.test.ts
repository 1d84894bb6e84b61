/** Hooks whose program is a file of an image, on a node. */
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { SourceContext } from '#core';
import { DEFAULT_POLICY, type NodePolicy } from '#sidecar';

import { removeTree } from '../../../sidecar/bundles/make.ts';
import { script } from '../../../plugins/actions/script/index.ts';
import { eventually } from '../../kit/eventually.ts';
import { manualSource, numberedDraft } from '../../kit/numbered.ts';
import { hookYaml, startThread, type Thread } from '../../kit/thread.ts';
import { ask, bash, startNode as startAgentNode } from '../agent/kit.ts';
import { layerOf, program, pushImage, startRegistry, type TestRegistry } from './registry.ts';
import { Relay } from './relay.ts';

const hook = {
  name: 'bin/hook',
  mode: 0o755,
  content: '#!/bin/sh\necho "$1 $TROTLINE_BUNDLE"; cat "$TROTLINE_BUNDLE/etc/a"\n',
};
const config = { name: 'etc/a', content: 'from the image\n' };

interface HookStatus {
  readonly state: string;
  readonly reason: string;
}

/** Once the node has told that it failed, with a reason like this. */
function failure(thread: Thread, name: string, reason = ''): Promise<HookStatus> {
  return eventually(async () => {
    const status = await statusOf(thread, name);
    if (status.state !== 'failed' || !status.reason.includes(reason)) throw new Error(JSON.stringify(status));
    return status;
  });
}

/** What the API says of the hook on the one node. */
async function statusOf(thread: Thread, name: string): Promise<HookStatus> {
  const { nodes } = await thread.api<{ nodes: HookStatus[] }>(`/v1/hooks/trotline/${name}`);
  const [node] = nodes;
  if (!node) throw new Error('no node has answered');
  return node;
}

describe.skipIf(program === null)('A5: a hook with an image', () => {
  let registry: TestRegistry;
  let digest = '';
  beforeAll(async () => {
    registry = await startRegistry();
    digest = await pushImage(registry, 'acme/hooks', [await layerOf([hook, config])]);
  });
  afterAll(() => registry[Symbol.asyncDispose]());

  const allowing = (host: string, more: Partial<NodePolicy['bundles']> = {}): NodePolicy => ({
    ...DEFAULT_POLICY,
    bundles: { ...DEFAULT_POLICY.bundles, allow: [`${host}/acme`], insecure: [host], ...more },
  });
  const yaml = (ref: string, command = '["/bin/hook", "said"]'): Record<string, string> => ({
    'a.yaml': hookYaml('a', { config: `ref: "${ref}", command: ${command}` }),
  });

  async function start(policy: NodePolicy, hooks: Record<string, string>) {
    let source: SourceContext | undefined;
    const thread = await startThread({
      sources: [manualSource((context) => void (source = context))],
      actions: [script],
      policy,
    });
    for (const [file, text] of Object.entries(hooks)) await thread.writeHook(file, text);
    return { thread, emit: (number: number) => source?.emit([numberedDraft(number)]) };
  }

  async function disposed<T>(thread: Thread, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } finally {
      await removeTree(join(thread.folder, 'sidecar', 'bundles'));
      await thread[Symbol.asyncDispose]();
    }
  }

  it('runs a program of it, pulled before the first event', async () => {
    const { thread, emit } = await start(allowing(registry.host), yaml(`${registry.host}/acme/hooks@${digest}`));
    await disposed(thread, async () => {
      await eventually(() => thread.sidecar.hooks.runtimes.length === 1);
      await emit(1);
      const attempt = await eventually(async () => {
        const [event] = await thread.fullEvents();
        const [found] = event?.hooks.flatMap(({ attempts }) => attempts) ?? [];
        if (!found) throw new Error('no attempt yet');
        return found;
      });
      const root = join(thread.folder, 'sidecar', 'bundles', 'sha256', digest.slice(7), 'rootfs');
      expect(attempt).toMatchObject({ status: 'delivered', output: `said ${root}\nfrom the image\n` });
    });
  });

  it.each([
    [
      'an image that the node does not name',
      { allow: ['ghcr.io/acme'] },
      'acme/hooks:v1',
      'not below ghcr.io/acme (bundles.allow)',
    ],
    ['any image unless one is named', { allow: [] }, 'acme/hooks:v1', 'no registry is allowed (bundles.allow)'],
    ['a repository that only begins alike', {}, 'acme-evil/hooks:v1', 'not below'],
    ['a tag where a digest is wanted', { digestOnly: true }, 'acme/hooks:v1', 'it has no digest (bundles.digestOnly)'],
  ])("is refused by the node's policy: %s", async (_what, policy, image, reason) => {
    const { thread } = await start(allowing(registry.host, policy), yaml(`${registry.host}/${image}`));
    await disposed(thread, async () => {
      const status = await failure(thread, 'a', "the node's policy");
      expect(status.reason).toContain(`the node's policy refuses image ${registry.host}/${image}`);
      expect(status.reason).toContain(reason);
    });
  });

  it.each([
    ['has no such file', '["/bin/none"]', '"/bin/none" is not in it'],
    ['has no program there', '["/etc/a"]', '"/etc/a" is no executable file'],
    ['has it elsewhere', '["/../../../../../../../../../../bin/true"]', 'leads out of it'],
  ])('is refused when its image %s', async (_what, command, reason) => {
    const { thread } = await start(allowing(registry.host), yaml(`${registry.host}/acme/hooks:v1`, command));
    await disposed(thread, async () => {
      expect(await failure(thread, 'a', reason)).toMatchObject({ state: 'failed' });
    });
  });

  it('that cannot be pulled fails with the reason, and runs as soon as it can be; the others go on', async () => {
    await using relay = await Relay.to(registry.host);
    const held = Promise.withResolvers<undefined>();
    relay.twist = async ({ url = '' }, response) => {
      if (!url.includes('/manifests/')) return false;
      await held.promise;
      if (relay.count('/manifests/') > 1) return false;
      response.writeHead(404).end();
      return true;
    };
    const { thread } = await start(allowing(relay.host), {
      ...yaml(`${relay.host}/acme/hooks:v1`),
      'b.yaml': hookYaml('b'),
    });
    await disposed(thread, async () => {
      await failure(thread, 'a', 'acme/hooks:v1 is being pulled');
      expect((await statusOf(thread, 'b')).state).toBe('applied');
      held.resolve(undefined);
      await eventually(async () =>
        (await statusOf(thread, 'a')).reason.includes('has no manifests/v1; tried again in'),
      );
      await eventually(async () => (await statusOf(thread, 'a')).state === 'applied', { timeoutMs: 15_000 });
    });
  });

  it('starts from the cache when neither registry nor control plane is there', async () => {
    await using relay = await Relay.to(registry.host);
    const { thread } = await start(allowing(relay.host), yaml(`${relay.host}/acme/hooks:v1`));
    await disposed(thread, async () => {
      await eventually(() => thread.sidecar.hooks.runtimes.length === 1);
      await thread.stopSidecar();
      await thread.stopControlPlane();
      const asked = relay.asked.length;
      await thread.startSidecar();
      expect(thread.sidecar.hooks.runtimes).toHaveLength(1);
      expect(relay.asked).toHaveLength(asked);
    });
  });

  it('judges what an agent is about to do, in claude-command form', async () => {
    const judge = { name: 'judge', mode: 0o755, content: '#!/bin/sh\necho "not from $TROTLINE_BUNDLE" >&2\nexit 2\n' };
    const image = await pushImage(registry, 'acme/judge', [await layerOf([judge])]);
    const node = await startAgentNode({ policy: allowing(registry.host) });
    await disposed(node, async () => {
      const settings = `ref: "${registry.host}/acme/judge@${image}", command: [/judge], protocol: claude-command`;
      await node.writeHook(
        'j.yaml',
        hookYaml('j', { spec: 'source: agent, eventTypes: [PreToolUse]', config: settings }),
      );
      await eventually(async () => expect(await statusOf(node, 'j')).toMatchObject({ state: 'applied' }));
      const { body } = await ask(node, bash('make'));
      expect(body).toMatchObject({ hookSpecificOutput: { permissionDecision: 'deny' } });
    });
  });
});

import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { eventually } from '../../kit/eventually.ts';
import type { Thread } from '../../kit/thread.ts';
import { ask, bash, GUARD_HOOK, startNode } from './kit.ts';

/** A node whose hook directory holds an executable script of this text, and a hook that judges with it. */
async function nodeWithScript(text: string, { spec = '', config = '' } = {}): Promise<Thread> {
  const node = await startNode({});
  const file = join(node.hooksFolder, 'judge.sh');
  await mkdir(node.hooksFolder, { recursive: true });
  await writeFile(file, `#!/bin/sh\n${text}\n`);
  await chmod(file, 0o755);
  await node.writeHook(
    'judge.yaml',
    `apiVersion: trotline.dev/v1alpha1
kind: EventHook
metadata: { name: judge }
spec: { source: agent, eventTypes: [PreToolUse], ${spec} actions: [{ type: script, config: { command: [${file}], protocol: claude-command, ${config} } }] }
`,
  );
  await eventually(() => {
    if (node.sidecar.hooks.runtimes.length === 0) throw new Error('the hook does not run yet');
  });
  return node;
}

const decisionOf = async (node: Thread, command = 'make'): Promise<unknown> => {
  const { body } = await ask(node, bash(command));
  const specific = body.hookSpecificOutput as Record<string, unknown> | undefined;
  return specific?.permissionDecision ?? null;
};

describe('A2: a script that judges', () => {
  it('reads the question on stdin and answers on stdout, or by exit 2 with its reason on stderr', async () => {
    await using node = await nodeWithScript(
      `question=$(cat)
case "$question" in
  *'"hook_event_name":"PreToolUse"'*'"command":"make deploy"'*) echo 'not on Fridays' >&2; echo noise; exit 2 ;;
  *'"command":"make"'*) printf '{"hookSpecificOutput":{"permissionDecision":"ask","permissionDecisionReason":"%s"}}' "$CLAUDE_PROJECT_DIR" ;;
esac`,
    );
    expect((await ask(node, bash('make deploy'))).body).toEqual({
      hookSpecificOutput: {
        hookEventName: 'PreToolUse',
        permissionDecision: 'deny',
        permissionDecisionReason: 'not on Fridays',
      },
    });
    expect((await ask(node, bash('make'))).body).toEqual({
      hookSpecificOutput: {
        hookEventName: 'PreToolUse',
        permissionDecision: 'ask',
        permissionDecisionReason: '/home/dev/project',
      },
    });
    expect((await ask(node, bash('ls'))).body).toEqual({});
  });

  it.each([
    ['exits 1', 'exit 1', ''],
    ['dies', 'kill -SEGV $$', ''],
    ['takes too long', 'sleep 60', 'timeout: 200ms'],
    ['says what nobody understands', `echo '{"decision":'`, ''],
    ['says too much', 'head -c 100000 /dev/zero | tr "\\\\0" "{"', ''],
  ])('A8: that %s is broken: open by default, closed when the hook says so', async (_how, text, config) => {
    await using open = await nodeWithScript(text, { config });
    expect(await decisionOf(open)).toBe(null);
    await using closed = await nodeWithScript(text, { config, spec: 'onFailure: closed,' });
    expect(await decisionOf(closed)).toBe('deny');
  });

  it('is in history as an attempt with what it said', async () => {
    await using node = await nodeWithScript('echo never >&2; exit 2');
    await ask(node, bash('make'));
    const [event] = await eventually(async () => {
      const events = await node.fullEvents();
      if (events[0]?.hooks[0]?.outcome !== 'delivered') throw new Error('no outcome yet');
      return events;
    });
    expect(event?.hooks[0]?.attempts[0]).toMatchObject({ status: 'delivered', detail: 'deny: never' });
  });
});

interface Judge extends AsyncDisposable {
  readonly url: string;
  readonly asked: { readonly headers: Record<string, unknown>; readonly body: Record<string, unknown> }[];
}

/** An endpoint that answers each question with this, or with nothing at all. */
async function judge(status: number, answer: string | null): Promise<Judge> {
  const asked: Judge['asked'] = [];
  const server: Server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => (text += String(chunk)));
    request.on('end', () => {
      asked.push({ headers: request.headers, body: JSON.parse(text) as Record<string, unknown> });
      if (answer !== null) response.writeHead(status, { 'content-type': 'application/json' }).end(answer);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/judge`,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function webhookYaml(url: string, spec = ''): string {
  return `apiVersion: trotline.dev/v1alpha1
kind: EventHook
metadata: { name: judge }
spec: { source: agent, eventTypes: [PreToolUse], ${spec} actions: [{ type: webhook, config: { url: "${url}", protocol: claude-http, timeout: 300ms, secret: of-the-test } }] }
`;
}

describe('a webhook that judges', () => {
  it('asks in the form of Claude Code, signed, and takes the answer of a 2xx', async () => {
    await using endpoint = await judge(200, '{"decision":"block","reason":"no"}');
    await using node = await startNode({ hooks: { 'judge.yaml': webhookYaml(endpoint.url) } });
    expect(await decisionOf(node)).toBe('deny');
    const [question] = endpoint.asked;
    expect(question?.body).toMatchObject({
      session_id: 'session-1',
      cwd: '/home/dev/project',
      permission_mode: 'default',
      hook_event_name: 'PreToolUse',
      tool_name: 'Bash',
      tool_input: { command: 'make' },
    });
    expect(question?.headers).toMatchObject({
      'webhook-signature': expect.stringMatching(/^v1,/) as unknown,
      'idempotency-key': expect.any(String) as unknown,
      traceparent: expect.any(String) as unknown,
    });
  });

  it.each([
    ['another status', 500, '{"decision":"approve"}'],
    ['no JSON', 200, '<html>'],
    ['silence', 200, null],
  ])('A8: is broken by %s, and has not denied', async (_how, status, answer) => {
    await using endpoint = await judge(status, answer);
    await using node = await startNode({ hooks: { 'judge.yaml': webhookYaml(endpoint.url) } });
    expect(await decisionOf(node)).toBe(null);
    await node.writeHook('judge.yaml', webhookYaml(endpoint.url, 'onFailure: closed,'));
    await eventually(async () => expect(await decisionOf(node)).toBe('deny'));
  });
});

describe('A8: without the control plane', () => {
  it('the verdicts are the same, also after a restart of the sidecar', async () => {
    await using node = await startNode({ hooks: { 'guard.yaml': GUARD_HOOK } });
    expect(await decisionOf(node, 'rm -rf /')).toBe('deny');
    await node.stopControlPlane();
    expect(await decisionOf(node, 'rm -rf /')).toBe('deny');
    expect(await decisionOf(node, 'ls')).toBe(null);
    await node.stopSidecar();
    await node.startSidecar();
    await eventually(async () => expect(await decisionOf(node, 'rm -rf /')).toBe('deny'));
  });
});

describe("A1: Claude Code's settings among the hooks", () => {
  it('judge by the programs that they name, for the tools that they match', async () => {
    await using node = await startNode({});
    const file = join(node.hooksFolder, 'judge.sh');
    await mkdir(node.hooksFolder, { recursive: true });
    await writeFile(file, '#!/bin/sh\necho "not here" >&2; exit 2\n');
    await chmod(file, 0o755);
    const handler = { type: 'command', command: file, args: [], timeout: 5, onFailure: 'block' };
    const settings = { model: 'any', hooks: { PreToolUse: [{ matcher: 'Edit|Write', hooks: [handler] }] } };
    await node.writeHook('settings.json', JSON.stringify(settings));
    await eventually(() => {
      if (node.sidecar.hooks.runtimes.length === 0) throw new Error('the hook does not run yet');
    });
    const tool = async (name: string) => (await ask(node, bash('', { tool_name: name, tool_input: {} }))).body;
    expect(await tool('Write')).toMatchObject({
      hookSpecificOutput: { permissionDecision: 'deny', permissionDecisionReason: 'not here' },
    });
    expect(await tool('WriteAll')).toEqual({});
  });
});

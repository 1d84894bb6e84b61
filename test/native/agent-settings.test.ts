/** The settings in docs/agents.md, run as the runtimes run them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';

import { describe, expect, it, onTestFinished } from 'vitest';
import { parse } from 'yaml';

import { bash, GUARD_HOOK, socketOf, startNode } from '../integration/agent/kit.ts';
import { eventually } from '../kit/eventually.ts';
import { CLIENT } from './hook-scenarios.ts';

const DOCS = readFileSync(new URL('../../docs/agents.md', import.meta.url), 'utf8');
const TOKEN = 'one-token-for-all-of-this-machine';

interface Handler {
  readonly type: string;
  readonly command?: string;
  readonly url?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly onFailure?: string;
  readonly timeout: number;
}

interface KagentAgent {
  readonly spec: {
    readonly hooks: readonly { readonly event: string; readonly command: string }[];
    readonly declarative: {
      readonly deployment: { readonly env: readonly { readonly name: string; readonly value?: string }[] };
    };
  };
}

/** The code of one language below a heading of the page. */
function blocks(heading: string, language: string): string[] {
  const section = DOCS.split('\n## ').find((part) => part.startsWith(`${heading}\n`)) ?? '';
  return [...section.matchAll(new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``, 'g'))].map(([, code = '']) => code);
}

function handlerOf(settings: string | undefined, event: string): Handler {
  const { hooks } = JSON.parse(settings ?? '') as { hooks: Record<string, { hooks: Handler[] }[]> };
  const handler = hooks[event]?.[0]?.hooks[0];
  if (!handler) throw new Error(`no handler for ${event}`);
  return handler;
}

interface Told {
  readonly exit: number | null;
  readonly answer: unknown;
}

/** As a runtime starts it: shell text, the event on stdin, the program on the path. */
async function started(command: string, event: object, env: Readonly<Record<string, string>> = {}): Promise<Told> {
  const PATH = `${dirname(CLIENT)}:/usr/bin:/bin`;
  const child = spawn('/bin/sh', ['-c', command], { env: { PATH, ...env }, stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.on('error', () => undefined).end(JSON.stringify(event));
  const [stdout] = await Promise.all([text(child.stdout), once(child, 'close')]);
  return { exit: child.exitCode, answer: stdout === '' ? null : JSON.parse(stdout) };
}

async function posted({ headers = {}, url = '' }: Handler, port: number, event: object): Promise<unknown> {
  const filled = Object.entries(headers).map(([name, value]) => [name, value.replace('$TROTLINE_TOKEN', TOKEN)]);
  const response = await fetch(url.replace('10.0.0.7:7412', `127.0.0.1:${port}`), {
    method: 'POST',
    headers: { ...Object.fromEntries(filled), 'content-type': 'application/json' },
    body: JSON.stringify(event),
  });
  expect(response.status).toBe(200);
  return response.json();
}

/** A node that also listens for who has the token; its port. */
async function listeningNode() {
  const folder = await mkdtemp(join(tmpdir(), 'trotline-token-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const tokenFile = join(folder, 'token');
  await writeFile(tokenFile, `${TOKEN}\n`);
  const sourceConfigs = new Map([['agent', { listen: '127.0.0.1:0', tokenFile }]]);
  const node = await startNode({ hooks: { 'guard.yaml': GUARD_HOOK }, sourceConfigs });
  const port = await eventually(async () => {
    const [sidecar] = await node.api<{ sources: { source: string; hears?: string }[] }[]>('/v1/sidecars');
    const hears = sidecar?.sources.find(({ source }) => source === 'agent')?.hears ?? '';
    const found = /127\.0\.0\.1:(\d+)/.exec(hears)?.[1];
    if (found === undefined) throw new Error(`hears ${hears}`);
    return Number(found);
  });
  return { node, port, tokenFile };
}

const at = (command: string | undefined, socket: string): string =>
  (command ?? '').replace('/run/trotline/agent.sock', socket);

describe('the settings in docs/agents.md', () => {
  const [command, http] = blocks('Claude Code', 'json');
  const CALLS = [
    bash('rm -rf /'),
    bash('sudo systemctl stop nginx'),
    bash('npm test'),
    bash('ls', { tool_name: 'Read' }),
  ];

  it('A6: give Claude Code the same verdicts by `type: command` and by `type: http`', async () => {
    const { node, port } = await listeningNode();
    await using _ = node;
    const decisions: unknown[] = [];
    for (const call of CALLS) {
      const { exit, answer } = await started(at(handlerOf(command, 'PreToolUse').command, socketOf(node)), call);
      expect({ exit, answer }).toEqual({ exit: 0, answer: await posted(handlerOf(http, 'PreToolUse'), port, call) });
      const { hookSpecificOutput: specific } = answer as { hookSpecificOutput?: { permissionDecision: string } };
      decisions.push(specific?.permissionDecision ?? null);
    }
    expect(decisions).toEqual(['deny', 'ask', null, null]);
  });

  it('A6: block in Claude Code while the sidecar is away, and after the call tell nothing', async () => {
    for (const settings of [command, http]) {
      expect(handlerOf(settings, 'PreToolUse')).toMatchObject({ onFailure: 'block', timeout: 60 });
    }
    const nowhere = '/nonexistent/agent.sock';
    const [pre, post] = ['PreToolUse', 'PostToolUse'].map((event) => at(handlerOf(command, event).command, nowhere));
    expect(await started(`${pre} 2>/dev/null`, bash('ls'))).toEqual({ exit: 2, answer: null });
    expect(await started(`${post} 2>/dev/null`, bash('ls'))).toEqual({ exit: 0, answer: null });
  });

  it('give kagent its verdicts by the environment alone', async () => {
    const { node, port, tokenFile } = await listeningNode();
    await using _ = node;
    const agent: unknown = parse(blocks('kagent', 'yaml')[0] ?? '');
    const { hooks, declarative } = (agent as KagentAgent).spec;
    expect(hooks.map(({ event }) => event)).toEqual(['PreToolUse', 'PostToolUse']);
    const given = Object.fromEntries(declarative.deployment.env.map(({ name, value }) => [name, value ?? '']));
    const env = {
      ...given,
      TROTLINE_AGENT_ADDRESS: (given.TROTLINE_AGENT_ADDRESS ?? '').replace('$(NODE_IP):7412', `127.0.0.1:${port}`),
      TROTLINE_AGENT_TOKEN_FILE: tokenFile,
    };
    const program = basename(hooks[0]?.command ?? '');
    const blocked = await started(program, bash('rm -rf /'), env);
    expect(blocked).toEqual({ exit: 0, answer: { decision: 'block', reason: expect.any(String) as unknown } });
    expect(await started(program, bash('npm test'), env)).toEqual({ exit: 0, answer: {} });
    const away = { ...env, TROTLINE_AGENT_ADDRESS: '127.0.0.1:1' };
    expect(await started(`${program} 2>/dev/null`, bash('npm test'), away)).toEqual({ exit: 2, answer: null });
  });

  it('give Gemini CLI its verdicts', async () => {
    await using node = await startNode({ hooks: { 'guard.yaml': GUARD_HOOK } });
    const [settings] = blocks('Gemini CLI', 'json');
    const before = at(handlerOf(settings, 'BeforeTool').command, socketOf(node));
    const call = (text: string) => bash(text, { hook_event_name: 'BeforeTool', tool_name: 'run_shell_command' });
    expect(await started(before, call('rm -rf /'))).toEqual({
      exit: 0,
      answer: { decision: 'deny', reason: expect.any(String) as unknown },
    });
    expect(await started(before, call('npm test'))).toEqual({ exit: 0, answer: {} });
    const after = at(handlerOf(settings, 'AfterTool').command, socketOf(node));
    expect(await started(after, bash('x', { hook_event_name: 'AfterTool', tool_response: {} }))).toEqual({
      exit: 0,
      answer: {},
    });
  });
});

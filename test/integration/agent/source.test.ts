/** What agents may send to the node, and what becomes of what they must not. */
import { spawn } from 'node:child_process';
import { connect } from 'node:net';

import { describe, expect, it } from 'vitest';

import type { EventDetail } from '../../../control-plane/store/types.ts';
import { builtFile } from '../../../native/addon.ts';
import { eventually } from '../../kit/eventually.ts';
import type { Thread } from '../../kit/thread.ts';
import { ask, bash, GUARD_HOOK, socketOf, startNode } from './kit.ts';

const ALL_HOOK = GUARD_HOOK.replace('name: guard', 'name: all').replace('  eventTypes: [PreToolUse]\n', '');
const start = (): Promise<Thread> => startNode({ hooks: { 'all.yaml': ALL_HOOK } });

/** So many events, the oldest first. */
async function heard(node: Thread, count: number): Promise<EventDetail['event'][]> {
  const events = await eventually(async () => {
    const all = await node.fullEvents();
    if (all.length < count) throw new Error(`${all.length} of ${count}`);
    return all;
  });
  return events.map(({ event }) => event).toSorted((a, b) => a.sequence - b.sequence);
}

describe('bad input', () => {
  it('is answered with its place, and what comes after it is heard', async () => {
    await using node = await start();
    for (const [body, answer] of [
      ['{"hook_event_name":', { line: 1, column: 20 }],
      ['{\n  "hook_event_name": x }', { line: 2 }],
      ['[]', { error: 'the request is JSON but no object' }],
      ['{}', { error: expect.stringContaining('/hook_event_name') as unknown }],
      ['{"hook_event_name": 7}', { error: '/hook_event_name is 7, expected text' }],
      ['{"hook_event_name":"PreToolUse","tool_input":"ls"}', { error: '/tool_input is "ls", expected an object' }],
    ] as const)
      expect(await ask(node, body)).toMatchObject({ status: 400, body: answer });
    expect(await ask(node, bash('ls'))).toMatchObject({ status: 200 });
  });

  it('in an unknown dialect is answered with the known ones', async () => {
    await using node = await start();
    const { status, body } = await ask(node, bash('ls'), '/v1/hooks/claude-cod');
    expect([status, body.error]).toEqual([
      404,
      expect.stringMatching(
        /unknown dialect "claude-cod".*did you mean "claude-code".*known: neutral, gemini-cli, claude-code, kagent/,
      ),
    ]);
  });

  it('that is larger than a request may be is refused, and the rest goes on', async () => {
    const sourceConfigs = new Map([['agent', { maxBody: 65_536 }]]);
    await using node = await startNode({ hooks: { 'all.yaml': ALL_HOOK }, sourceConfigs });
    const told = await ask(node, bash(`echo ${'x'.repeat(70_000)}`)).catch((error: unknown) => String(error));
    if (typeof told !== 'string') expect(told).toMatchObject({ status: 413 });
    expect(await ask(node, bash('ls'))).toMatchObject({ status: 200 });
  });

  it('that comes a byte at a time, or never, keeps nobody waiting', async () => {
    await using node = await start();
    const slow = Array.from({ length: 50 }, () => connect(socketOf(node)));
    for (const socket of slow) socket.on('error', () => undefined).write('P');
    const startedAt = performance.now();
    for (let count = 0; count < 50; count++) await ask(node, bash('ls'));
    expect(performance.now() - startedAt).toBeLessThan(2000);
    for (const socket of slow) socket.destroy();
  });
});

describe('what is heard', () => {
  it('L35: has long parts cut, with how long they were, and is judged whole', async () => {
    await using node = await start();
    const told = await ask(node, bash(`echo ${'x'.repeat(200_000)}; rm -rf /`));
    expect(told.body.hookSpecificOutput).toMatchObject({ permissionDecision: 'deny' });
    const post = { hook_event_name: 'PostToolUse', tool_response: { output: 'y'.repeat(200_000) } };
    await ask(node, bash('cat large', { ...post, session_id: 'session-2' }));
    for (const { attributes } of await heard(node, 2)) {
      expect(attributes['agent.truncated']).toBe(true);
      for (const value of Object.values(attributes)) expect(String(value).length).toBeLessThan(101_000);
    }
  });

  it('A9: pairs the Pre and the Post of one call, also in one trace', async () => {
    await using node = await start();
    const id = { tool_use_id: 'toolu_pair' };
    await ask(node, bash('ls', id));
    await ask(node, bash('ls', { ...id, hook_event_name: 'PostToolUse', tool_response: 'a\nb' }));
    const [pre, post] = await heard(node, 2);
    expect(post?.attributes).toMatchObject({ 'agent.paired': true, 'agent.tool_use_id': 'toolu_pair' });
    expect(pre?.attributes['agent.correlation']).toBe(post?.attributes['agent.correlation']);
    expect(pre?.traceparent?.split('-')[1]).toBe(post?.traceparent?.split('-')[1]);
  });

  it('tells of a tool that was used without a question before it', async () => {
    await using node = await start();
    await ask(node, bash('ls', { tool_use_id: 'asked' }));
    await ask(node, bash('ls', { tool_use_id: 'asked', hook_event_name: 'PostToolUse' }));
    await ask(node, bash('rm x', { tool_use_id: 'unasked', hook_event_name: 'PostToolUse' }));
    const bypassed = (await heard(node, 4)).filter(({ type }) => type === 'agent.hook-bypassed');
    expect(bypassed).toHaveLength(1);
    expect(bypassed[0]?.attributes).toMatchObject({ 'agent.tool_use_id': 'unasked' });
  });

  it('A7: includes every event of the protocol, and unknown ones as themselves', async () => {
    await using node = await start();
    const names = [
      'SessionStart',
      'UserPromptSubmit',
      'PermissionRequest',
      'Notification',
      'Stop',
      'SubagentStop',
      'PreCompact',
      'SessionEnd',
      'MoonRise',
    ];
    for (const hook_event_name of names)
      expect(await ask(node, { hook_event_name, session_id: 's' })).toMatchObject({ status: 200 });
    expect((await heard(node, names.length)).map(({ type }) => type)).toEqual([
      'agent.session-start',
      'agent.user-prompt-submit',
      'agent.permission-request',
      'agent.notification',
      'agent.stop',
      'agent.subagent-stop',
      'agent.pre-compact',
      'agent.session-end',
      'agent.moon-rise',
    ]);
  });
});

/** `type: command`, as a runtime starts it. */
function command(node: Thread, body: object): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    const child = spawn(builtFile('trotline-hook'), ['--socket', socketOf(node)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => (text += String(chunk)));
    child.on('error', reject);
    child.on('close', () => resolve(JSON.parse(text) as Record<string, unknown>));
    child.stdin.end(JSON.stringify(body));
  });
}

describe('secrets', () => {
  it('do not leave the node: not in the history, not in a reason, not in a record; the judges see them', async () => {
    const pattern = '{ pattern: "hunter2secret", risk: CRITICAL, reason: "the password hunter2secret is known" }';
    const hook = ALL_HOOK.replace('{ type: guard }', `{ type: guard, config: { patterns: [${pattern}] } }`);
    await using node = await startNode({ hooks: { 'all.yaml': hook } });
    const told = await ask(
      node,
      bash('curl https://dev:hunter2secret@example.com -H "Authorization: Bearer abcdef123456"'),
    );
    expect(told.body.hookSpecificOutput).toMatchObject({ permissionDecision: 'deny' });
    const post = {
      hook_event_name: 'PostToolUse',
      tool_response: { output: 'AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMIK7MDENGbPxRfiCY jane@example.com' },
    };
    await ask(node, bash('env', { ...post, session_id: 'session-2' }));
    await heard(node, 2);
    const all = JSON.stringify(await node.fullEvents());
    for (const secret of ['https://dev:hunter2secret', 'abcdef123456', 'wJalrXUtnFEMI', 'jane@example.com'])
      expect(all).not.toContain(secret);
    expect(all).toContain('[redacted]');
  });
});

describe('a session of an agent', () => {
  it('A6: gets the same verdicts as `type: command` and as `type: http`', async () => {
    await using node = await start();
    const calls = [
      bash('npm test'),
      bash('rm -rf /'),
      bash('sudo ls'),
      bash('ls', { hook_event_name: 'PostToolUse', tool_response: 'x' }),
      bash('', { tool_name: 'Write', tool_input: { file_path: '/etc/passwd', content: 'x' } }),
      { hook_event_name: 'UserPromptSubmit', session_id: 'session-1', prompt: 'hello' },
      { hook_event_name: 'Stop', session_id: 'session-1', stop_hook_active: false },
    ];
    for (const call of calls) expect(await command(node, call)).toEqual((await ask(node, call)).body);
  });
});

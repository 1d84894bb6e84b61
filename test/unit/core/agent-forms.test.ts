import { describe, expect, it } from 'vitest';

import { compileCondition, type Hook, readHookFile, type ReadHooks } from '#core';
import { vocabulary as builtin } from '#plugins/schemas';

import { eventWith } from './filter/kit.ts';

const summaries = ({ refused }: ReadHooks) =>
  refused.flatMap(({ issues }) => issues.map(({ line, path, message }) => `${line} ${path}: ${message}`));
const configs = ({ hooks }: ReadHooks) => hooks.map(({ spec }) => spec.actions[0]?.config);

function isFor(hook: Hook | undefined, attributes: Readonly<Record<string, string>>, namespace = ''): boolean {
  const condition = compileCondition(hook?.spec.condition ?? 'event_type == 99');
  return condition.matches(eventWith({ namespace, ...attributes }));
}

describe("A1: kagent's list of hooks", () => {
  const EXAMPLE = `
apiVersion: kagent.dev/v1alpha2
kind: Agent
metadata: { name: coder, namespace: agents }
spec:
  type: Declarative
  declarative: { modelConfig: default, systemMessage: You write code. }
  hooks:
    - ref: ghcr.io/org/security-hooks:v1.0
      event: PreToolUse
      type: claude-command
      matcher: bash|shell
      command: scripts/check.sh
    - ref: ghcr.io/org/audit:v2
      event: SessionEnd
      type: claude-command
      command: /audit
`;
  const read = (text: string) => readHookFile(text, 'agent.yaml', builtin);
  const listOf = (...entries: readonly object[]) =>
    JSON.stringify(
      { apiVersion: 'kagent.dev/v1alpha2', kind: 'Agent', metadata: { name: 'coder' }, spec: { hooks: entries } },
      null,
      1,
    );
  const entry = (parts: object = {}) => ({
    ref: 'h/i:1',
    event: 'PreToolUse',
    type: 'claude-command',
    command: 'x',
    ...parts,
  });

  it('is read as it is, beside all else that an agent has', () => {
    const result = read(EXAMPLE);
    expect(result.refused).toEqual([]);
    expect(result.hooks.map(({ namespace, name, form, origin }) => [namespace, name, form, origin?.line])).toEqual([
      ['agents', 'coder.PreToolUse', 'kagent', 9],
      ['agents', 'coder.SessionEnd', 'kagent', 14],
    ]);
    expect(configs(result)).toMatchObject([
      { ref: 'ghcr.io/org/security-hooks:v1.0', command: ['/scripts/check.sh'], protocol: 'claude-command' },
      { ref: 'ghcr.io/org/audit:v2', command: ['/audit'], protocol: 'claude-command' },
    ]);
    expect(result.hooks.map(({ spec }) => [spec.source, spec.eventTypes])).toEqual([
      ['agent', ['agent.pre-tool-use']],
      ['agent', ['agent.session-end']],
    ]);
  });

  it('judges the pods of that agent alone, and every agent where no namespace is said', () => {
    const [own] = read(EXAMPLE).hooks;
    const shell = { 'agent.tool': 'run_shell' };
    expect(isFor(own, { ...shell, 'agent.pod': 'coder-7d9f5c-x2x4z' }, 'agents')).toBe(true);
    expect(isFor(own, { ...shell, 'agent.pod': 'coder-7d9f5c-x2x4z' }, 'shop')).toBe(false);
    expect(isFor(own, { ...shell, 'agent.pod': 'decoder-7d9f5c-x2x4z' }, 'agents')).toBe(false);
    expect(isFor(own, shell)).toBe(false);
    const [anywhere] = read(listOf(entry({ matcher: 'shell' }))).hooks;
    expect(isFor(anywhere, shell)).toBe(true);
  });

  it('A4: searches the matcher in the name of the tool; empty matches all', () => {
    const [searched, every, quoted] = read(
      listOf(entry({ matcher: '^(bash|write_.*)$' }), entry({ matcher: '' }), entry({ matcher: String.raw`it's\d` })),
    ).hooks;
    for (const [tool, matches] of [
      ['bash', true],
      ['write_file', true],
      ['rebash', false],
    ] as const) {
      expect(isFor(searched, { 'agent.tool': tool })).toBe(matches);
      expect(isFor(every, { 'agent.tool': tool })).toBe(true);
    }
    expect(isFor(quoted, { 'agent.tool': "it's7" })).toBe(true);
    expect(isFor(quoted, { 'agent.tool': "it's" })).toBe(false);
  });

  it('A4: refuses a matcher that is none at its place, and keeps the other entries', () => {
    const result = read(listOf(entry(), entry({ matcher: '(' }), entry({ matcher: 'a(?=b)' })));
    expect(result.hooks.map(({ name }) => name)).toEqual(['coder.PreToolUse']);
    expect(result.refused.map(({ id, issues }) => [id, issues[0]?.path])).toEqual([
      ['default/coder.PreToolUse.2', '/spec/hooks/1/matcher'],
      ['default/coder.PreToolUse.3', '/spec/hooks/2/matcher'],
    ]);
    expect(summaries(result)[0]).toMatch(/^23 \/spec\/hooks\/1\/matcher: /);
  });

  it('A4: is not stalled by a pattern that would take for ever elsewhere', () => {
    const [hook] = read(listOf(entry({ matcher: '(a+)+$' }))).hooks;
    const began = performance.now();
    expect(isFor(hook, { 'agent.tool': `${'a'.repeat(50_000)}!` })).toBe(false);
    expect(performance.now() - began).toBeLessThan(1000);
  });

  it('names every problem of an entry with its place', () => {
    const result = read(listOf({ event: 'Stop', type: 'shell', command: '/', extra: 1 }));
    expect(
      summaries(result)
        .map((line) => line.replace(/: .*/, ''))
        .toSorted(),
    ).toEqual(
      [
        '9 /spec/hooks/0/ref',
        '10 /spec/hooks/0/event',
        '11 /spec/hooks/0/type',
        '12 /spec/hooks/0/command',
        '13 /spec/hooks/0/extra',
      ].toSorted(),
    );
    expect(
      summaries(
        read('apiVersion: kagent.dev/v1alpha2\nkind: Agent\nmetadata: { name: "A B" }\nspec: { hooks: [{}] }'),
      )[0],
    ).toMatch(/^3 \/metadata\/name: /);
    expect(() => read('kind: Agent\nspec: { hooks: 7 }')).toThrow(/must be a list/);
  });

  it('has no hooks in an agent without any', () => {
    expect(read('apiVersion: kagent.dev/v1alpha2\nkind: Agent\nmetadata: { name: a }\nspec: {}')).toEqual({
      hooks: [],
      refused: [],
      warnings: [],
    });
  });
});

describe("Claude Code's settings", () => {
  const read = (settings: object) => readHookFile(JSON.stringify(settings, null, 1), '/hooks/settings.json', builtin);
  const handler = (parts: object = {}) => ({ type: 'command', command: '/usr/bin/check', ...parts });
  const pre = (matcher: string | undefined, ...hooks: readonly object[]) =>
    read({ hooks: { PreToolUse: [{ ...(matcher === undefined ? {} : { matcher }), hooks }] } });

  it('are read as they are, beside all other settings', () => {
    const result = read({
      model: 'opus',
      permissions: { allow: ['Bash(ls:*)'] },
      hooks: {
        PreToolUse: [
          { matcher: 'Bash', hooks: [handler({ timeout: 5, onFailure: 'block' }), handler({ args: ['--strict'] })] },
        ],
        Stop: [{ hooks: [{ type: 'http', url: 'https://judge.example/stop', headers: { 'X-Team': 'a' } }] }],
      },
    });
    expect(result.refused).toEqual([]);
    expect(result.hooks.map(({ name, form, spec }) => [name, form, spec.eventTypes, spec.onFailure])).toEqual([
      ['settings.PreToolUse', 'claude-code', ['agent.pre-tool-use'], 'closed'],
      ['settings.PreToolUse.2', 'claude-code', ['agent.pre-tool-use'], 'open'],
      ['settings.Stop', 'claude-code', ['agent.stop'], 'open'],
    ]);
    expect(configs(result)).toMatchObject([
      { script: '/usr/bin/check', timeout: 5000, protocol: 'claude-command' },
      { command: ['/usr/bin/check', '--strict'], timeout: 600_000 },
      { url: 'https://judge.example/stop', protocol: 'claude-http', headers: { 'X-Team': 'a' } },
    ]);
  });

  it('A4: match by exact name, by list, by regular expression, and all with * or nothing', () => {
    const table: readonly (readonly [string | undefined, string, boolean])[] = [
      ['Bash', 'Bash', true],
      ['Bash', 'BashOutput', false],
      ['Edit|Write', 'Write', true],
      ['Edit|Write', 'MultiEdit', false],
      ['mcp__memory__.*', 'mcp__memory__read', true],
      ['^Notebook', 'NotebookEdit', true],
      ['*', 'Bash', true],
      ['', 'Bash', true],
      [undefined, 'Bash', true],
    ];
    for (const [matcher, tool, matches] of table)
      expect([matcher, tool, isFor(pre(matcher, handler()).hooks[0], { 'agent.tool': tool })]).toEqual([
        matcher,
        tool,
        matches,
      ]);
  });

  it('A4: refuse a matcher that is none at its place', () => {
    expect(summaries(pre('(', handler()))).toEqual([expect.stringMatching(/^7 \/hooks\/PreToolUse\/0\/matcher: /)]);
    const [notification] = summaries(read({ hooks: { Notification: [{ matcher: 'idle', hooks: [handler()] }] } }));
    expect(notification).toContain('/hooks/Notification/0/matcher: what matchers of Notification ask for is not heard');
    const stop = read({ hooks: { Stop: [{ matcher: 'x', hooks: [handler()] }] } });
    expect(stop.hooks).toHaveLength(1);
    expect(stop.warnings.map(({ path, message }) => `${path} ${message}`)).toEqual([
      '/hooks/Stop/0/matcher is ignored: Stop has no matchers',
    ]);
  });

  it.each([
    [{ type: 'prompt', prompt: 'x' }, '/type: "prompt" cannot be asked here'],
    [
      handler({ command: 'trotline-hook --on-failure closed' }),
      '/command: asks this sidecar, which would ask it again',
    ],
    [handler({ command: '"$CLAUDE_PROJECT_DIR"/check.sh' }), "/command: CLAUDE_PROJECT_DIR is the agent's word"],
    [handler({ if: 'Bash(git *)' }), '/if: '],
    [handler({ timeout: 0 }), '/timeout: '],
    [{ type: 'http', url: 'ftp://h/' }, '/url: '],
    [{ type: 'http', url: 'http://h/', headers: { Authorization: 'Bearer $TOKEN' } }, '/headers/Authorization: '],
    [7, ': '],
  ])('refuse %j at its place, and keep the rest', (wrong, problem) => {
    const result = read({ hooks: { PreToolUse: [{ hooks: [handler(), wrong] }] } });
    expect(result.hooks).toHaveLength(1);
    expect(summaries(result)).toEqual([expect.stringContaining(`/hooks/PreToolUse/0/hooks/1${problem}`)]);
  });

  it('are refused where they are no map of lists', () => {
    expect(() => read({ hooks: [] })).toThrow(/must be a map of events/);
    expect(summaries(read({ hooks: { PreToolUse: {}, Stop: [3] } }))).toEqual([
      expect.stringContaining('/hooks/PreToolUse: must be a list'),
      expect.stringContaining('/hooks/Stop/0: '),
    ]);
  });

  it('are off with disableAllHooks', () => {
    const { hooks } = read({ disableAllHooks: true, hooks: { Stop: [{ hooks: [handler()] }] } });
    expect(hooks.map(({ spec }) => spec.enabled)).toEqual([false]);
  });
});

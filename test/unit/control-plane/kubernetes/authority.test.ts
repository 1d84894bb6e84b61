/** What one who may create hooks in one namespace would try (design section 8). */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it, onTestFinished } from 'vitest';

import { confine } from '../../../../control-plane/kubernetes/authority.ts';
import { type Grants, grantsOf, NO_GRANTS, readGrants } from '../../../../control-plane/kubernetes/grants.ts';

const spec = (parts: object = {}) => ({ source: 'kubernetes', actions: [{ type: 'webhook', config: {} }], ...parts });
const kagentUrl = 'http://kagent-controller.kagent.svc.cluster.local:8083';
const NOTHING = { grants: NO_GRANTS, kagentUrl };
const problems = (given: unknown, grants: Grants = NO_GRANTS, namespace = 'shop', kind = 'EventHook') =>
  confine(kind, namespace, given, { grants, kagentUrl }).issues.map(({ path, message }) => `${path}: ${message}`);
const agent = (name: string) => ({ actions: [{ type: 'a2a', config: { kagent: { agent: name }, prompt: 'x' } }] });
const granting = (parts: object) =>
  grantsOf({ grants: [{ namespaces: ['shop'], agents: [], sources: [], actions: [], ...parts }] });

describe('a hook of another namespace', () => {
  it('hears its own, whatever its condition says', () => {
    expect(
      confine('EventHook', 'shop', spec({ condition: 'reason == "a" OR reason == "b"' }), NOTHING).spec,
    ).toMatchObject({
      condition: '(reason == "a" OR reason == "b") AND namespace == "shop"',
    });
    expect(confine('EventHook', 'shop', spec(), NOTHING).spec).toMatchObject({ condition: 'namespace == "shop"' });
  });

  it('gets no bracket past that: a condition that is none stays as it is, and is refused', () => {
    const condition = 'reason == "a") OR (reason == "b"';
    expect(confine('EventHook', 'shop', spec({ condition }), NOTHING).spec).toMatchObject({ condition });
  });

  it.each([
    ['script', spec({ actions: [{ type: 'script', config: { command: ['/bin/sh'] } }] }), '/spec/actions/0/type'],
    ['guard', spec({ actions: [{ type: 'webhook', config: {} }, { type: 'guard' }] }), '/spec/actions/1/type'],
    ['netlink', spec({ source: 'netlink' }), '/spec/source'],
    ['all sources', { actions: [] }, '/spec/source'],
    ['a foreign agent', spec(agent('kube-system/root')), '/spec/actions/0/config/kagent/agent'],
    [
      'an environment variable',
      spec({ actions: [{ type: 'webhook', config: { secret: { env: 'X' } } }] }),
      '/spec/actions/0/config/secret',
    ],
    [
      'a file',
      spec({ actions: [{ type: 'webhook', config: { headers: { a: { file: '/x' } } } }] }),
      '/spec/actions/0/config/headers/a',
    ],
    ...[
      'http://kagent-controller.kagent.svc.cluster.local:8083/api/a2a/bank/teller',
      'http://KAGENT-controller.kagent.svc.cluster.local.:8083/x',
    ].flatMap((url): [string, object, string][] => [
      [
        `kagent by its address ${url}`,
        spec({ actions: [{ type: 'a2a', config: { url, prompt: 'x' } }] }),
        '/spec/actions/0/config/url',
      ],
      [
        `kagent by a webhook to ${url}`,
        spec({ actions: [{ type: 'webhook', config: { url } }] }),
        '/spec/actions/0/config/url',
      ],
    ]),
    [
      'the name of another user of kagent',
      spec({
        actions: [{ type: 'a2a', config: { kagent: { agent: 'shop/a', userId: 'admin@kagent.dev' }, prompt: 'x' } }],
      }),
      '/spec/actions/0/config/kagent/userId',
    ],
  ])('may not have %s', (_, given, path) => {
    expect(problems(given).map((problem) => problem.split(':')[0])).toEqual([path]);
  });

  it('may call its own agents, and the web', () => {
    expect(problems(spec(agent('shop/doctor')))).toEqual([]);
    expect(problems(spec())).toEqual([]);
  });

  it('may have what a grant says, and nothing beside it', () => {
    expect(problems(spec(agent('agents/doctor')), granting({ agents: ['agents/*'] }))).toEqual([]);
    expect(problems(spec(agent('kube-system/doctor')), granting({ agents: ['agents/*'] }))).toHaveLength(1);
    expect(problems(spec({ source: 'netlink' }), granting({ sources: ['netlink'] }))).toEqual([]);
    expect(
      problems(spec({ source: 'netlink' }), granting({ sources: ['netlink'], namespaces: ['bank'] })),
    ).toHaveLength(1);
    expect(problems(spec({ actions: [{ type: 'script' }] }), granting({ actions: ['script'] }))).toEqual([]);
  });

  it.each([null, 7, [], { actions: 'x' }, { actions: [null, { type: 5 }] }])('is no defect when it is %j', (given) => {
    expect(() => confine('EventHook', 'shop', given, NOTHING)).not.toThrow();
  });
});

describe("a hook of Trotline's namespace", () => {
  it("is the administrator's", () => {
    const own = spec({ source: 'netlink', actions: [{ type: 'script', config: { command: ['/bin/true'] } }] });
    expect(confine('EventHook', 'trotline', own, NOTHING)).toEqual({ spec: own, issues: [] });
  });

  it("has no secrets of the control plane's machine: whoever writes resources does not sit there", () => {
    expect(
      problems(spec({ actions: [{ type: 'webhook', config: { secret: { env: 'X' } } }] }), NO_GRANTS, 'trotline'),
    ).toHaveLength(1);
  });
});

describe("khook's Hook", () => {
  const hook = (entry: object) => ({ eventConfigurations: [{ eventType: 'oom-kill', prompt: 'x', ...entry }] });

  it('H25: calls agents of its namespace, and others where a grant says so', () => {
    expect(problems(hook({ agentRef: { name: 'a' } }), NO_GRANTS, 'shop', 'Hook')).toEqual([]);
    expect(problems(hook({ agentId: 'shop/a' }), NO_GRANTS, 'shop', 'Hook')).toEqual([]);
    const [ref] = problems(hook({ agentRef: { name: 'a', namespace: 'b' } }), NO_GRANTS, 'shop', 'Hook');
    expect(ref).toBe('/spec/eventConfigurations/0/agentRef/namespace: agent "b/a" of another namespace needs a grant');
    expect(problems(hook({ agentId: 'b/a' }), NO_GRANTS, 'shop', 'Hook')).toHaveLength(1);
    expect(
      problems(hook({ agentId: 'b/a' }), granting({ namespaces: ['*'], agents: ['*/*'] }), 'shop', 'Hook'),
    ).toEqual([]);
  });
});

describe('a file of grants', () => {
  const file = (text: string): string => {
    const folder = mkdtempSync(join(tmpdir(), 'grants-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, 'grants.yaml'), text);
    return join(folder, 'grants.yaml');
  };

  it('is read', async () => {
    const grants = await readGrants(file('version: 1\ngrants:\n  - { namespaces: ["*"], agents: ["*/*"] }\n'));
    expect(grants.allows('agents', 'any', 'a/b')).toBe(true);
    expect(grants.allows('agents', 'any', 'a')).toBe(false);
    expect(grants.allows('sources', 'any', 'netlink')).toBe(false);
  });

  it.each([
    ['version: 2\n', 'version'],
    ['version: 1\ngrants:\n  - { agents: ["a/b"] }\n', 'namespaces'],
    ['version: 1\ngrants:\n  - { namespaces: [a], agnets: [x] }\n', 'agnets'],
    ['- x\n', 'must be'],
    ['', 'holds 0 documents'],
  ])('that is %j is refused', async (text, why) => {
    await expect(readGrants(file(text))).rejects.toThrow(why);
  });
});

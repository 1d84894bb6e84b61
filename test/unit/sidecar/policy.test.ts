import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { ConfigError, type Program } from '#core';

import {
  allowsAction,
  DEFAULT_POLICY,
  type NodePolicy,
  parsePolicy,
  policyForUp,
  readPolicy,
} from '../../../sidecar/policy.ts';
import { checkScript, type ScriptFiles } from '../../../sidecar/script-check.ts';

const NO_IMAGES = { allow: [], digestOnly: false, insecure: [], unusedFor: 30 * 86_400_000, maxBytes: 2 ** 31 };

function issuesOf(text: string) {
  try {
    parsePolicy(text, 'policy.yaml');
  } catch (error) {
    if (error instanceof ConfigError) return error.issues.map(({ path, line, column }) => `${path} ${line}:${column}`);
    throw error;
  }
  return [];
}

describe('the policy file', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'trotline-policy-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('is the strictest policy when none is named', () => {
    expect(DEFAULT_POLICY).toEqual({
      actions: null,
      script: { directories: [], users: [], shell: false, writable: 'refuse' },
      webhook: { allow: [] },
      bundles: NO_IMAGES,
    });
  });

  it('is read with its defaults filled in', async () => {
    const path = join(folder, 'policy.yaml');
    await writeFile(path, 'version: 1\nactions: [webhook]\nscript: { directories: [/opt/hooks], users: [nobody] }\n');
    expect(await readPolicy(path)).toEqual({
      actions: ['webhook'],
      script: { directories: ['/opt/hooks'], users: ['nobody'], shell: false, writable: 'refuse' },
      webhook: { allow: [] },
      bundles: NO_IMAGES,
    });
  });

  it('is refused when it cannot be read', async () => {
    await expect(readPolicy(folder)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    await expect(readPolicy(join(folder, 'none.yaml'))).rejects.toThrow('cannot be read: ENOENT');
  });

  it.each([
    ['version: 2', ['/version 1:10']],
    ['actions: [script]', ['/version 1:1']],
    ['version: 1\nscripts: {}', ['/scripts 2:1']],
    [
      'version: 1\nscript:\n  directories: [opt]\n  shell: perhaps',
      ['/script/directories/0 3:17', '/script/shell 4:10'],
    ],
    ['version: 1\nwebhook:\n  allow:\n    - 10.0.0.0/8\n    - 10.0.0.0/99', ['/webhook/allow/1 5:7']],
    ['version: 1\n---\nversion: 1', [' 3:1']],
    ['version: [1', [' 1:12']],
    ['', [' undefined:undefined']],
  ])('names the place of each problem of %j', (text, places) => {
    expect(issuesOf(text)).toEqual(places);
  });

  it('allows the actions that it names, else all that are built in', () => {
    const some = parsePolicy('{ version: 1, actions: [webhook, pager] }', 'policy.yaml');
    const builtins = ['script', 'webhook'];
    expect(['script', 'webhook', 'pager'].map((type) => allowsAction(some, type, builtins))).toEqual([
      false,
      true,
      true,
    ]);
    expect(['script', 'pager'].map((type) => allowsAction(DEFAULT_POLICY, type, builtins))).toEqual([true, false]);
  });
});

/** A tree of files: path to owner and mode; a `link` leads to another path. */
type Tree = Readonly<Record<string, { readonly uid?: number; readonly mode?: number; readonly link?: string }>>;

const TREE: Tree = {
  '/': {},
  '/opt': {},
  '/opt/hooks': {},
  '/opt/hooks/alert.sh': {},
  '/opt/hooks-old': {},
  '/opt/hooks-old/alert.sh': {},
  '/opt/hooks/out': { link: '/bin/sh' },
  '/opt/current': { link: '/opt/hooks' },
  '/opt/current/alert.sh': { link: '/opt/hooks/alert.sh' },
  '/bin': {},
  '/bin/sh': {},
};

function filesOf(tree: Tree): ScriptFiles {
  const find = (path: string) => {
    const file = tree[path];
    if (!file) throw new Error(`ENOENT: ${path}`);
    return file;
  };
  return {
    realpath: (path) => find(path).link ?? path,
    stat: (path) => {
      const folder = Object.keys(tree).some((other) => path === '/' || other.startsWith(`${path}/`));
      const { uid = 0, mode = 0o755 } = find(path);
      return { uid, mode, isDirectory: () => folder };
    },
  };
}

function program(path: string, parts: Partial<Program> = {}): Program {
  const common = {
    shell: false,
    env: {},
    timeoutMs: 1000,
    stdin: null,
    directory: null,
    user: null,
    limits: {},
    cgroup: null,
  };
  return { argv: [path], ...common, ...parts };
}

function policyWith(script: Partial<NodePolicy['script']>): NodePolicy {
  return { ...DEFAULT_POLICY, script: { ...DEFAULT_POLICY.script, directories: ['/opt/hooks'], ...script } };
}

function verdict(policy: NodePolicy, asked: Program, changes: Tree = {}) {
  const result = checkScript(policy, asked, { uid: 1000, files: filesOf({ ...TREE, ...changes }) });
  return result.allowed ? result.warnings : result.reason.replace("the node's policy refuses ", '');
}

describe('the policy of scripts', () => {
  const ALERT = program('/opt/hooks/alert.sh');

  it('allows a program below its directories', () => {
    expect(verdict(policyWith({}), ALERT)).toEqual([]);
    expect(verdict(policyWith({ directories: ['/srv', '/opt'] }), ALERT)).toEqual([]);
    expect(verdict(policyWith({ directories: ['/'] }), ALERT)).toEqual([]);
  });

  it('judges the place that symbolic links lead to', () => {
    expect(verdict(policyWith({}), program('/opt/current/alert.sh'))).toEqual([]);
    expect(verdict(policyWith({ directories: ['/opt/current'] }), ALERT)).toEqual([]);
    expect(verdict(policyWith({}), program('/opt/hooks/out'))).toBe('/opt/hooks/out (/bin/sh): not below /opt/hooks');
  });

  it.each([
    ['/bin/sh', '/bin/sh: not below /opt/hooks'],
    ['/opt/hooks-old/alert.sh', '/opt/hooks-old/alert.sh: not below /opt/hooks'],
    ['/opt/hooks', '/opt/hooks: not below /opt/hooks'],
    ['alert.sh', '"alert.sh": not an absolute path'],
    ['/opt/hooks/gone.sh', '/opt/hooks/gone.sh cannot be checked: ENOENT: /opt/hooks/gone.sh'],
  ])('refuses %s', (path, reason) => {
    expect(verdict(policyWith({}), program(path))).toBe(reason);
  });

  it('allows nothing without directories', () => {
    expect(verdict(DEFAULT_POLICY, ALERT)).toBe('/opt/hooks/alert.sh: no directory is allowed');
  });

  it('runs shell text only where it says so', () => {
    const shell = program('/bin/sh', { argv: ['/bin/sh', '-c', 'date > /tmp/x'], shell: true });
    expect(verdict(policyWith({}), shell)).toBe('shell text');
    expect(verdict(policyWith({ shell: true }), shell)).toEqual([]);
  });

  it('takes a user only as it is listed, letter for letter', () => {
    const policy = policyWith({ users: ['nobody', 'mail:adm'] });
    const as = (user: string) => verdict(policy, { ...ALERT, user });
    expect([as('nobody'), as('mail:adm')]).toEqual([[], []]);
    expect([as('root'), as('nobody:root'), as('mail')]).toEqual(['user root', 'user nobody:root', 'user mail']);
  });

  it.each<[string, Tree, string]>([
    ['a file writable by everyone', { '/opt/hooks/alert.sh': { mode: 0o757 } }, 'the file is writable by everyone'],
    ['a file writable by its group', { '/opt/hooks/alert.sh': { mode: 0o775 } }, 'the file is writable by its group'],
    [
      'a sticky file writable by everyone',
      { '/opt/hooks/alert.sh': { mode: 0o1757 } },
      'the file is writable by everyone',
    ],
    ["another user's file", { '/opt/hooks/alert.sh': { uid: 7 } }, 'the file belongs to user 7'],
    [
      'a folder writable by everyone',
      { '/opt/hooks': { mode: 0o777 } },
      'the folder /opt/hooks is writable by everyone',
    ],
    ['a folder far above writable by its group', { '/': { mode: 0o775 } }, 'the folder / is writable by its group'],
    ["another user's folder", { '/opt': { uid: 7 } }, 'the folder /opt belongs to user 7'],
  ])('N35: refuses or warns of %s, as it says', (_, changes, problem) => {
    const text = `/opt/hooks/alert.sh: ${problem}`;
    expect(verdict(policyWith({ writable: 'refuse' }), ALERT, changes)).toBe(text);
    expect(verdict(policyWith({ writable: 'warn' }), ALERT, changes)).toEqual([text]);
  });

  it("N35: trusts root, the sidecar's user, and a sticky folder", () => {
    const changes = { '/opt': { mode: 0o1777 }, '/opt/hooks': { uid: 1000 }, '/opt/hooks/alert.sh': { uid: 1000 } };
    expect(verdict(policyWith({}), ALERT, changes)).toEqual([]);
  });

  it('is the hook directory, the caller and shell text on the machine of one person', () => {
    const { script } = policyForUp({ hooksDirectory: '/opt/hooks/', user: 'me' });
    expect(script).toEqual({ directories: ['/opt/hooks'], users: ['me'], shell: true, writable: 'warn' });
  });
});

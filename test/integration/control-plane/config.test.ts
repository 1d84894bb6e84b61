/** Hooks from a real directory over a real stream: rows N1 to N5 and N34 of spec/nlmon.md, and ConfigService.Watch. */
import { copyFile, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { type ClientDuplexStream, credentials } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { hookId, type Issue, systemClock } from '#core';
import { ConfigServiceClient, convert, type HookSet, type WatchRequest, type WatchResponse } from '#proto';

import { createConfigService } from '../../../control-plane/config/config-service.ts';
import { HookDirectory } from '../../../control-plane/config/hook-directory.ts';
import { HookRegistry } from '../../../control-plane/config/hook-registry.ts';
import { SidecarRegistry } from '../../../control-plane/config/sidecar-registry.ts';
import { createGrpcServer } from '../../../control-plane/server.ts';
import { eventually } from '../../kit/eventually.ts';
import { eventHook, FakeStore, silent, words } from '../../unit/control-plane/kit.ts';

const FIXTURE = new URL('../../fixtures/nlmon/hooks.yaml', import.meta.url).pathname;
const APPLYING = 1;
const APPLIED = 2;
const FAILED = 3;
const MIB = 2 ** 20;

let root: string;
let hooksDir: string;
let stack: AsyncDisposableStack;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'trotline-config-'));
  hooksDir = join(root, 'hooks');
  await mkdir(hooksDir);
  stack = new AsyncDisposableStack();
});

afterEach(async () => {
  await stack.disposeAsync();
  await rm(root, { recursive: true, force: true });
});

interface Plane {
  readonly directory: HookDirectory;
  readonly registry: HookRegistry;
  readonly sidecars: SidecarRegistry;
  readonly store: FakeStore;
  readonly address: string;
}

/** The configuration part of a control plane, on a Unix socket. */
async function plane(): Promise<Plane> {
  const directory = new HookDirectory({ directory: hooksDir, vocabulary: words, log: silent });
  const store = new FakeStore();
  const registry = new HookRegistry({ origins: [directory], store, log: silent });
  const sidecars = new SidecarRegistry(systemClock);
  await directory.start();
  await registry.start();
  stack.defer(async () => {
    await registry.stop();
    await directory.stop();
  });
  const address = `unix:${root}/plane.sock`;
  const services = [createConfigService({ hooks: registry, sidecars, log: silent })];
  const server = createGrpcServer({ address, services, log: silent });
  await server.start?.(AbortSignal.abort());
  stack.defer(() => server.stop?.());
  return { directory, registry, sidecars, store, address };
}

/** A sidecar as the wire sees it. */
class Peer {
  readonly sets: HookSet[] = [];
  code: number | null = null;
  readonly stream: ClientDuplexStream<WatchRequest, WatchResponse>;
  readonly #client: ConfigServiceClient;

  constructor(address: string, id = 's1', heldVersion = '') {
    this.#client = new ConfigServiceClient(address, credentials.createInsecure(), {
      'grpc.max_receive_message_length': 64 * MIB,
    });
    this.stream = this.#client.watch();
    this.stream.on('data', ({ hookSet }: WatchResponse) => hookSet && this.sets.push(hookSet));
    this.stream.on('error', (error: Error & { readonly code?: number }) => (this.code = error.code ?? null));
    const plugins = [{ kind: 1, type: 'netlink', stability: 'experimental', schemaDigest: 'd' }] as const;
    const hello = { sidecarId: id, node: `node-${id}`, version: '0.1.0', plugins: [...plugins], heldVersion };
    this.stream.write({ message: { $case: 'hello', value: hello } });
    stack.defer(() => this.close());
  }

  get last(): HookSet {
    return this.sets.at(-1)!;
  }

  /** Waits for the set with this number, from 1. */
  async set(number: number): Promise<HookSet> {
    await eventually(() => this.sets.length >= number);
    return this.sets[number - 1]!;
  }

  answer(set: HookSet, state: 1 | 2 | 3, failures: Readonly<Record<string, string>> = {}): void {
    const hooks = set.hooks.map(({ namespace, name, digest }) => ({
      namespace,
      name,
      digest,
      failure: failures[name] ?? '',
    }));
    this.stream.write({
      message: {
        $case: 'applied',
        value: {
          version: set.version,
          nonce: set.nonce,
          state,
          hooks: state === APPLYING ? [] : hooks,
          reason: Object.values(failures).join('; '),
        },
      },
    });
  }

  close(): void {
    this.stream.cancel();
    this.#client.close();
  }
}

const put = (name: string, text: string): Promise<void> => writeFile(join(hooksDir, name), text);
const names = (set: HookSet): string[] => set.hooks.map(({ name }) => name);
const issuesOf = ({ registry }: Plane): Issue[] => registry.current.refused.flatMap(({ issues }) => [...issues]);

describe('hooks of the original form', () => {
  it('N1: reads integration.hooks; names, scripts and conditions arrive byte for byte', async () => {
    await copyFile(FIXTURE, join(hooksDir, 'nlmon.yaml'));
    const { address } = await plane();
    const hooks = (await new Peer(address).set(1)).hooks.map((hook) => convert.hookFromProto(hook));
    expect(hooks.map(({ name, spec }) => [name, spec.actions[0]?.config, spec.condition])).toMatchObject([
      ['Link removed notice', { script: '/opt/trotline/hooks/link_removed.sh', timeout: 5000 }, 'message_type == 17'],
      [
        'Container link watch',
        { script: '/opt/trotline/hooks/container_link.py', timeout: 10_000 },
        "interface =~ 'veth.*'",
      ],
      ['Uplink guard', { script: '/opt/trotline/hooks/uplink.sh --page', timeout: 15_000 }, "interface == 'eth0'"],
      [
        'New pair or any link',
        { script: '/opt/trotline/hooks/pair.sh', timeout: 30_000 },
        "(interface =~ 'veth.*' AND message_type == 16) OR event_type == 1",
      ],
      [
        'Ledger of changes',
        { script: '/opt/trotline/hooks/ledger.sh >> /var/log/changes.log', timeout: 2000 },
        'message_type IN [16, 17, 20, 21]',
      ],
    ]);
    expect(hooks.map(({ spec }) => [spec.enabled, spec.run])).toEqual([
      [true, 'sync'],
      [true, 'async'],
      [true, 'async'],
      [true, 'sync'],
      [false, 'async'],
    ]);
  });

  it('N2: fills the documented defaults of a hook with name and script only', async () => {
    await put('a.yaml', 'nlmon: { integration: { hooks: [{ name: plain, script: /bin/true }] } }');
    const { registry } = await plane();
    expect(registry.hook('trotline/plain').spec).toMatchObject({
      enabled: true,
      run: 'sync',
      condition: '',
      actions: [{ type: 'script', config: { script: '/bin/true', timeout: 30_000 } }],
    });
  });

  it('N3: requires name and script and a name of its own, naming hook and line', async () => {
    await put(
      'a.yaml',
      `nlmon:
  integration:
    hooks:
      - name: no-script
      - script: /bin/true
      - { name: twice, script: /bin/true }
      - { name: twice, script: /bin/false }
`,
    );
    const self = await plane();
    const { refused, hooks } = self.registry.current;
    expect(hooks.map(({ name }) => name)).toEqual(['twice']);
    expect(refused.map(({ id }) => id)).toEqual(['trotline/no-script', null, 'trotline/twice']);
    expect(issuesOf(self)).toMatchObject([
      { line: 4, message: 'is required', path: '/nlmon/integration/hooks/0/script' },
      { line: 5, message: 'is required', path: '/nlmon/integration/hooks/1/name' },
      { line: 7, message: expect.stringContaining('already used at') },
    ]);
  });

  it('N4: refuses an invalid condition with its position and keeps the other hooks', async () => {
    const bad = "nlmon: { integration: { hooks: [{ name: bad, script: /x, condition: 'interface =='";
    await put('a.yaml', `${bad} }, { name: good, script: /x }] } }`);
    const self = await plane();
    expect(self.registry.current.hooks.map(({ name }) => name)).toEqual(['good']);
    expect(issuesOf(self)).toMatchObject([{ line: 1, column: bad.length }]);
  });

  it('N5: refuses an unknown field and lists the known ones', async () => {
    await put('a.yaml', "nlmon: { integration: { hooks: [{ name: bad, script: /x, condition: 'foo == 1' }] } }");
    const self = await plane();
    const [issue] = issuesOf(self);
    expect(issue?.message).toContain('foo');
    expect(`${issue?.message} ${issue?.expected}`).toContain('message_type');
  });
});

describe('hot reload', () => {
  it('N34: pushes new hooks after an edit, and a bad file keeps the old set', async () => {
    await put('a.yaml', eventHook('one'));
    const self = await plane();
    const peer = new Peer(self.address);
    peer.answer(await peer.set(1), APPLIED);
    await put('b.yaml', eventHook('two'));
    expect(names(await peer.set(2))).toEqual(['one', 'two']);
    await put('a.yaml', 'a: [');
    await eventually(() => self.registry.current.refused.length === 1);
    expect(self.registry.current.hooks.map(hookId)).toEqual(['trotline/one', 'trotline/two']);
    await put('a.yaml', eventHook('one', '  run: sync'));
    const third = await peer.set(3);
    expect(names(third)).toEqual(['one', 'two']);
    expect(JSON.parse(third.hooks[0]!.specJson)).toMatchObject({ run: 'sync' });
    expect(self.registry.current.refused).toEqual([]);
  });

  it('N34: takes a file that is emptied before it is written for no removal, and one that stays empty for one', async () => {
    await writeFile(join(hooksDir, 'a.yaml'), eventHook('one'));
    const { directory } = await plane();
    const seen: number[] = [];
    directory.onRead((isNews) => void (isNews && seen.push(directory.files.hooks.length)));
    await writeFile(join(hooksDir, 'a.yaml'), '');
    await eventually(() => directory.doubts);
    await writeFile(join(hooksDir, 'a.yaml'), `${eventHook('one')}---\n${eventHook('two')}`);
    await eventually(() => expect(seen).toEqual([2]));
    await writeFile(join(hooksDir, 'a.yaml'), '');
    await eventually(() => expect(seen).toEqual([2, 0]));
  });

  it('N34: keeps everything while the directory is gone, says so, and follows its successor', async () => {
    await put('a.yaml', eventHook('one'));
    const { registry } = await plane();
    await rename(hooksDir, join(root, 'away'));
    await eventually(() => registry.current.problem !== null);
    expect(registry.current.problem).toContain('ENOENT');
    expect(registry.current.hooks.map(hookId)).toEqual(['trotline/one']);
    await mkdir(hooksDir);
    await put('b.yaml', eventHook('two'));
    await eventually(() => registry.current.hooks.some(({ name }) => name === 'two'));
    expect(registry.current.problem).toBeNull();
    expect(registry.current.hooks.map(hookId)).toEqual(['trotline/two']);
  });

  it('follows the links of a ConfigMap volume when they are swapped', async () => {
    const version = async (name: string, text: string): Promise<void> => {
      await mkdir(join(hooksDir, name));
      await writeFile(join(hooksDir, name, 'hooks.yaml'), text);
      await symlink(name, join(hooksDir, '..next'));
      await rename(join(hooksDir, '..next'), join(hooksDir, '..data'));
    };
    await version('..v1', eventHook('one'));
    await symlink('..data/hooks.yaml', join(hooksDir, 'hooks.yaml'));
    const { registry } = await plane();
    expect(registry.current.hooks.map(hookId)).toEqual(['trotline/one']);
    await version('..v2', eventHook('two'));
    await eventually(() => registry.current.hooks.some(({ name }) => name === 'two'));
  });

  it('pushes a secret file that comes after its hook, and one that is replaced; else a reading pushes nothing', async () => {
    const secret = join(root, 'key');
    const config = `config: { url: "http://127.0.0.1:1/", secret: { file: ${secret} } }`;
    await put(
      'a.yaml',
      eventHook('one')
        .replace('type: script', 'type: webhook')
        .replace(/config: .*/, config),
    );
    const { address, registry, directory } = await plane();
    const peer = new Peer(address);
    expect((await peer.set(1)).hooks[0]?.specJson).toContain('"file"');
    expect(registry.current.warnings).toMatchObject([{ path: '/actions/0/config/secret' }]);

    let readings = 0;
    let changes = 0;
    stack.defer(directory.onRead(() => readings++));
    stack.defer(registry.onChange(() => changes++));
    // Whatever happens in the directory makes it read, as the regular time does.
    const nextReading = async (): Promise<void> => {
      const before = readings;
      await put('note.txt', String(before));
      await eventually(() => readings > before);
    };
    await writeFile(secret, 'first-secret');
    await nextReading();
    expect((await peer.set(2)).hooks[0]?.specJson).toContain('first-secret');
    expect(registry.current.warnings).toEqual([]);
    await writeFile(secret, 'second-secret');
    await nextReading();
    expect((await peer.set(3)).hooks[0]?.specJson).toContain('second-secret');
    await nextReading();
    expect(changes).toBe(2);
  });

  it('does not start on a directory that is not there', async () => {
    const directory = new HookDirectory({ directory: join(root, 'none'), vocabulary: words, log: silent });
    await expect(directory.start()).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    await directory.stop();
  });
});

describe('ConfigService.Watch', () => {
  it('sends an empty set only as explicitly empty', async () => {
    const { address } = await plane();
    expect(await new Peer(address).set(1)).toMatchObject({ hooks: [], explicitlyEmpty: true });
  });

  it('pushes nothing to a sidecar that holds the version', async () => {
    await put('a.yaml', eventHook('one'));
    const { address, sidecars, store, registry } = await plane();
    const { version } = await new Peer(address).set(1);
    const second = new Peer(address, 's2', version);
    await eventually(() => sidecars.list().some(({ sidecarId }) => sidecarId === 's2'));
    await registry.setOverride('trotline/one', false, 'alice');
    expect(JSON.parse((await second.set(1)).hooks[0]!.specJson)).toMatchObject({ enabled: false });
    expect(second.sets).toHaveLength(1);
    expect(store.audit_).toMatchObject([{ who: 'alice', act: 'hook.disable', subject: 'trotline/one' }]);
  });

  it('keeps what each sidecar answers, per hook, with its reason and since when', async () => {
    await put('a.yaml', `${eventHook('one')}---\n${eventHook('two')}`);
    const { address, sidecars } = await plane();
    const peer = new Peer(address);
    const set = await peer.set(1);
    peer.answer(set, APPLYING);
    await eventually(() => sidecars.get('s1').state === 'applying');
    peer.answer(set, APPLIED, { two: 'no such program' });
    await eventually(() => sidecars.get('s1').state === 'applied');
    expect(sidecars.get('s1')).toMatchObject({
      node: 'node-s1',
      connected: true,
      heldVersion: set.version,
      plugins: [{ kind: 'source', type: 'netlink' }],
      hooks: [
        { hook: 'trotline/one', state: 'applied', reason: '' },
        { hook: 'trotline/two', state: 'failed', reason: 'no such program' },
      ],
    });
    peer.close();
    await eventually(() => !sidecars.get('s1').connected);
  });

  it('does not push a version again that was refused whole, also on a new stream, and recovers after the fix', async () => {
    await put('a.yaml', eventHook('one'));
    const { address, sidecars } = await plane();
    const first = new Peer(address);
    const bad = await first.set(1);
    first.answer(bad, FAILED, { one: 'digest differs' });
    await eventually(() => sidecars.get('s1').refusedVersion === bad.version);
    expect(sidecars.get('s1')).toMatchObject({ state: 'failed', reason: 'digest differs', heldVersion: '' });
    first.close();
    await eventually(() => !sidecars.get('s1').connected);
    const second = new Peer(address);
    await eventually(() => sidecars.get('s1').connected);
    await put('a.yaml', eventHook('one', '  run: sync'));
    const fixed = await second.set(1);
    expect(fixed.version).not.toBe(bad.version);
    expect(second.sets).toHaveLength(1);
  });

  it('sends as much as a sidecar takes; a hook beyond is refused and nobody is cut off', async () => {
    const padded = (name: string, bytes: number): Promise<void> =>
      put(
        `${name}.yaml`,
        `nlmon: { integration: { hooks: [{ name: ${name}, script: 'true ${'x'.repeat(bytes)}' }] } }`,
      );
    await Promise.all(Array.from({ length: 9 }, (_, number) => padded(`h${number}`, 3.7 * MIB)));
    const self = await plane();
    const peer = new Peer(self.address);
    expect(names(await peer.set(1))).toEqual(['h0', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'h7']);
    expect(self.registry.current.refused).toMatchObject([{ id: 'trotline/h8' }]);
    expect(self.registry.current.hooks).toHaveLength(8);
    await rm(join(hooksDir, 'h0.yaml'));
    expect(names(await peer.set(2))).toContain('h8');
  });

  it('ignores an answer to a set that is not the newest', async () => {
    await put('a.yaml', eventHook('one'));
    const { address, sidecars, registry } = await plane();
    const peer = new Peer(address);
    const old = await peer.set(1);
    await registry.setOverride('trotline/one', false, 'alice');
    const next = await peer.set(2);
    peer.answer(old, FAILED);
    peer.answer(next, APPLIED);
    await eventually(() => sidecars.get('s1').state === 'applied');
    expect(sidecars.get('s1')).toMatchObject({ refusedVersion: '', heldVersion: next.version });
  });

  it('lets a new stream of the same sidecar take over', async () => {
    const { address, sidecars } = await plane();
    const first = new Peer(address);
    await first.set(1);
    const second = new Peer(address);
    await second.set(1);
    await eventually(() => first.code === 9);
    expect(sidecars.get('s1').connected).toBe(true);
  });

  it('ends a stream that does not begin with hello', async () => {
    const { address } = await plane();
    const peer = new Peer(address, '');
    await eventually(() => peer.code === 3);
  });
});

describe('the registry of hooks', () => {
  it('names the nearest when asked for a hook that is not there', async () => {
    await put('a.yaml', eventHook('veth-gone'));
    const { registry } = await plane();
    expect(() => registry.hook('trotline/veth-gon')).toThrow('did you mean "trotline/veth-gone"');
    await expect(registry.setOverride('trotline/none', true, 'alice')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('lets the file decide again when the override is removed', async () => {
    await put('a.yaml', eventHook('one'));
    const { registry } = await plane();
    const { version } = registry.current.set;
    await registry.setOverride('trotline/one', false, 'alice');
    expect(registry.hook('trotline/one').spec.enabled).toBe(false);
    expect(registry.current.set.version).not.toBe(version);
    await registry.setOverride('trotline/one', null, 'bob');
    expect(registry.current.set.version).toBe(version);
  });
});

import { join } from 'node:path';

import {
  type ActionContext,
  type ActionDefinition,
  type Clock,
  type Component,
  digestOf,
  errorText,
  type Hook,
  hookId,
  type Ledger,
  type Log,
  type SourceDefinition,
  Probes,
  type ProbesOptions,
  Supervisor,
  isObject,
} from '#core';
import { vocabulary } from '#plugins/schemas';
import { type Plugin, PluginKind } from '#proto';

import { type BootClock, createBootClock } from './boottime.ts';
import { ApprovalClient } from './approvals.ts';
import { Bundles } from './bundles/bundles.ts';
import { type Channel, createChannel } from './channel.ts';
import { ClaimClient } from './claims/claim-client.ts';
import { Claims } from './claims/claims.ts';
import { NodeClaims } from './claims/node-claims.ts';
import { ClusterKeys } from './cluster-keys.ts';
import { ConfigClient, type HookFate } from './config-client.ts';
import type { SidecarOptions } from './config.ts';
import { DataLock } from './data-lock.ts';
import { createGuardedFetch, type GuardedFetch } from './guarded-fetch.ts';
import { Groups } from './groups.ts';
import { Loops } from './hooks/loops.ts';
import { HookLoader } from './hooks/hook-loader.ts';
import { HookSet } from './hooks/hook-set.ts';
import { Journal } from './journal/journal.ts';
import { LastGoodFile, readLastGood } from './last-good.ts';
import { Pipeline } from './pipeline.ts';
import { sidecarMetrics } from './metrics.ts';
import { Places } from './places.ts';
import { allowsAction, type NodePolicy } from './policy.ts';
import { ProgramHost } from './program-host.ts';
import { Reporter } from './reporter.ts';
import type { SourceConfigs } from './source-configs.ts';
import { SourceHost, type SourceHostOptions } from './source-host.ts';
import { sourceMemory } from './source-memory.ts';
import { Verdicts } from './verdicts.ts';

const COUNTERS_MS = 1000;

export interface SidecarParts {
  readonly options: SidecarOptions;
  readonly sidecarId: string;
  readonly version: string;
  readonly policy: NodePolicy;
  readonly sources: readonly SourceDefinition[];
  /** Default: every source is started with its defaults. */
  readonly sourceConfigs?: SourceConfigs | undefined;
  readonly actions: readonly ActionDefinition[];
  readonly clock: Clock;
  readonly log: Log;
}

export interface Sidecar {
  start(): Promise<void>;
  /** Sources first, then rounds under way, then reports; what is left when `deadline` aborts stays in the journal. */
  stop(deadline: AbortSignal): Promise<void>;
  readonly hooks: HookSet;
  readonly journal: Journal;
  /** The port of the probes; 0: none. */
  readonly probesPort: number;
}

/** Builds the parts and gives their order to the supervisor; no logic of its own. */
export function createSidecar(parts: SidecarParts): Sidecar {
  const { options, sidecarId, clock, log } = parts;
  const channel = createChannel(options);
  const bootClock = createBootClock();
  const journal = openJournal(parts, bootClock);
  const nodeClaims = new NodeClaims(journal, clock);
  const onBack = (): void => {
    claims.settle().catch((error: unknown) => log.warn({ error: errorText(error) }, 'windows not settled'));
  };
  const client = new ClaimClient({ channel, sidecarId, clock, log, onBack });
  const claims = new Claims(client, nodeClaims, clock);
  const groups = new Groups(channel, clock, log);
  const approvals = new ApprovalClient(channel, options.node, clock, log);
  const keys = new ClusterKeys(channel, join(options.data, 'cluster-keys.json'), clock, log);
  const hosts: SourceHost[] = [];
  const ledger = (): Ledger => ledgerOf(journal, pipeline, hosts);
  const reporter = new Reporter({ channel, sidecarId, node: options.node, journal, clock, log, ledger });
  const hooks = new HookSet({
    journal,
    claims,
    groups,
    places: new Places(),
    clock,
    bootClock,
    log,
    onFinal: reporter.notify,
    onProgress: reporter.progress,
    onLoop: (hook, event, depth) => loops.cut(hook, event, depth),
  });
  const verdicts = new Verdicts({ hooks, mode: options.verdicts, clock, log });
  const pipeline = new Pipeline({ node: options.node, journal, hooks, verdicts, clock, bootClock, log });
  const loops = new Loops(pipeline, clock, log);
  const actionHosts = hostingActions(parts, () => void reload());
  const loader = loading(parts, hooks, actionHosts);
  hosts.push(...hosting(parts, pipeline, { askPeople: approvals.ask, clusterKeys: keys.get }));

  const lastGood = new LastGoodFile({ path: join(options.data, 'hooks.json'), vocabulary, clock, log });

  const supervisor = new Supervisor(log);
  supervisor.add('process', stayingAlive());
  let state: 'starting' | 'running' | 'stopping' = 'starting';
  const probes = probing(parts, {
    notReady: () => (state === 'running' ? null : state),
    metrics: () => sidecarMetrics({ ledger: ledger(), coordinated: !client.away, ...hooks.load }),
  });
  if (probes) supervisor.add('probes', probes);
  supervisor.add('data', new DataLock({ data: options.data, clock, log }));
  supervisor.add('journal', journaling(journal, nodeClaims, pipeline, parts));
  supervisor.add('claims', { start: async () => client.start(), stop: () => client.stop() });
  supervisor.add('groups', groups);
  supervisor.add('approvals', approvals);
  supervisor.add('keys', keys);
  supervisor.add('reports', reporter);
  supervisor.add('programs', actionHosts.programs);
  supervisor.add('fetch', { stop: () => actionHosts.fetch.close() });
  supervisor.add('bundles', actionHosts.bundles);
  supervisor.add('hooks', recovering(hooks, loader, journal, options, log));
  supervisor.add('last good', lastGood);
  const { client: config, reload } = configuring(parts, channel, loader, lastGood);
  supervisor.add('config', config);
  for (const host of hosts) supervisor.add('source', host);
  return {
    start: async () => {
      await supervisor.start();
      state = 'running';
    },
    stop: async (deadline) => {
      state = 'stopping';
      deadline.addEventListener('abort', () => {
        pipeline.close();
        journal.hurry();
      });
      await supervisor.drainAndStop(deadline);
    },
    hooks,
    journal,
    get probesPort() {
      return probes?.port ?? 0;
    },
  };
}

function openJournal({ options, clock, log }: SidecarParts, bootClock: BootClock): Journal {
  return new Journal({
    folder: join(options.data, 'journal'),
    sync: options.journalSync,
    segmentBytes: options.journalSegmentBytes,
    maxBytes: options.journalMaxBytes,
    node: options.node,
    clock,
    bootClock,
    log,
  });
}

/** Those that are not turned off. */
function hosting(
  { options, sources, sourceConfigs, clock, log }: SidecarParts,
  pipeline: Pipeline,
  asking: Pick<SourceHostOptions, 'askPeople' | 'clusterKeys'>,
): SourceHost[] {
  return sources.flatMap((definition) => {
    const given = sourceConfigs?.get(definition.type) ?? {};
    if (given === false) return [];
    const config = withPayload(definition.type, given, options.maxPayload);
    const memory = sourceMemory(options.data, definition.type, log);
    return [
      new SourceHost({
        definition,
        config,
        node: options.node,
        folder: options.data,
        memory,
        pipeline,
        ...asking,
        clock,
        log,
      }),
    ];
  });
}

/** What the sources file says counts first. */
function withPayload(type: string, config: unknown, maxPayload: number | undefined): unknown {
  return type === 'agent' && maxPayload !== undefined && isObject(config) ? { maxPayload, ...config } : config;
}

/** Null: nobody asks for them. */
function probing({ options, log }: SidecarParts, answers: Pick<ProbesOptions, 'notReady' | 'metrics'>): Probes | null {
  return options.probes === undefined ? null : new Probes({ listen: options.probes, ...answers, log });
}

/** What actions have of the host. */
interface ActionHosts {
  readonly programs: ProgramHost;
  readonly fetch: GuardedFetch;
  readonly bundles: Bundles;
}

function hostingActions({ options, policy, clock, log }: SidecarParts, onChange: () => void): ActionHosts {
  const { data, bundles: folder = join(data, 'bundles'), registryCredentials, registryCa } = options;
  const settings = { credentials: registryCredentials ?? null, ca: registryCa ?? null };
  const bundles = new Bundles({ folder, policy, settings, clock, log, onChange });
  const programs = new ProgramHost({ lockFile: join(data, 'spawner.lock'), policy, log, inBundle: bundles.has });
  return { programs, fetch: createGuardedFetch(policy), bundles };
}

function loading(parts: SidecarParts, set: HookSet, hosts: ActionHosts): HookLoader {
  const { actions, policy, log } = parts;
  const types = actions.map(({ type }) => type);
  return new HookLoader({
    set,
    actions: new Map(actions.map((definition) => [definition.type, definition])),
    allowed: (type) => allowsAction(policy, type, types),
    context: actionContext(parts, hosts),
    log,
  });
}

/** No timer of ours keeps the process, and a sidecar must live on without a source and without the control plane. */
function stayingAlive(): Component {
  let held: NodeJS.Timeout | undefined;
  return {
    start: async () => void (held = setInterval(() => undefined, 2 ** 30)),
    stop: async () => clearInterval(held),
  };
}

/** The journal with its once-a-second chores. */
function journaling(
  journal: Journal,
  nodeClaims: NodeClaims,
  pipeline: Pipeline,
  { clock, log }: SidecarParts,
): Component {
  const halt = new AbortController();
  let chores: Promise<void> | null = null;
  const run = async (): Promise<void> => {
    while (!halt.signal.aborted) {
      await clock.sleep(COUNTERS_MS, halt.signal).catch(() => undefined);
      if (halt.signal.aborted || journal.failing !== null) continue;
      await pipeline.tellUntaken();
      await pipeline.writeCounters(true);
      await nodeClaims.expire();
    }
  };
  return {
    start: async () => {
      await journal.start();
      chores = run().catch((error: unknown) => log.error({ error: errorText(error) }, 'journal chores ended'));
    },
    stop: async () => {
      halt.abort();
      journal.hurry();
      await chores;
      if (chores && journal.failing === null) await pipeline.writeCounters(false).catch(() => undefined);
      await journal.stop();
    },
  };
}

/** Starts the last good hooks and gives them what a former process left. */
function recovering(
  hooks: HookSet,
  loader: HookLoader,
  journal: Journal,
  { data }: SidecarOptions,
  log: Log,
): Component {
  return {
    start: async () => {
      const lastGood = await readLastGood(join(data, 'hooks.json'), log);
      if (lastGood) await loader.restore(lastGood.version, lastGood.hooks);
      await hooks.runAll(journal.pending());
    },
    drain: (deadline) => hooks.drain(deadline),
    stop: () => hooks.stop(),
  };
}

interface Configuring {
  readonly client: ConfigClient;
  /** Tries hooks again that failed for want of an image. */
  readonly reload: () => Promise<void>;
}

function configuring(parts: SidecarParts, channel: Channel, loader: HookLoader, lastGood: LastGoodFile): Configuring {
  const { options, sidecarId, version, clock, log } = parts;
  const isWhole = (fates: readonly HookFate[]): boolean => fates.every(({ failure }) => failure === null);
  const client = new ConfigClient({
    channel,
    sidecarId,
    node: options.node,
    version,
    plugins: pluginsOf(parts),
    clock,
    log,
    held: () => loader.held,
    runs: (id) => loader.runs(id),
    apply: async (pushed, hooks, refused) => {
      const fates = await loader.apply(pushed, hooks, refused);
      await lastGood.keep({ version: isWhole(fates) ? pushed : '', hooks: loader.running });
      return fates;
    },
  });
  const reload = async (): Promise<void> => {
    try {
      const fates = await loader.reload();
      if (!fates) return;
      if (isWhole(fates)) await lastGood.keep({ version: loader.held.version, hooks: loader.running });
      client.tell();
    } catch (error) {
      log.error({ error: errorText(error) }, 'failed hooks not tried again');
    }
  };
  return { client, reload };
}

function actionContext({ clock, log }: SidecarParts, { programs, fetch: { fetch }, bundles }: ActionHosts) {
  return (hook: Hook, type: string, until: AbortSignal): ActionContext => ({
    clock,
    log: log.child({ hook: hookId(hook), action: type }),
    fetch,
    run: programs.run,
    bundle: (ref) => bundles.use(ref, until),
  });
}

function pluginsOf({ sources, actions }: SidecarParts): Plugin[] {
  const describe = (kind: PluginKind) => (definition: SourceDefinition | ActionDefinition) => ({
    kind,
    type: definition.type,
    stability: definition.stability,
    schemaDigest: digestOf(definition.config),
  });
  return [
    ...sources.map(describe(PluginKind.PLUGIN_KIND_SOURCE)),
    ...actions.map(describe(PluginKind.PLUGIN_KIND_ACTION)),
  ];
}

/** This life's sources replace what the journal last knew of them. */
function ledgerOf(journal: Journal, pipeline: Pipeline, hosts: readonly SourceHost[]): Ledger {
  const live = pipeline.ledgers(false);
  const lives = new Set(live.map(({ life }) => life));
  return {
    sources: [...journal.sourceLedgers().filter(({ life }) => !lives.has(life)), ...live],
    hooks: journal.hookLedgers(),
    outcomeSequence: journal.lastSequence,
    health: [...hosts.map(({ health }) => health), journal.health],
  };
}

/**
 * `npm run e2e:cluster`: the image and the charts on a real cluster of this machine, with pods that fail for real. `KUBECONFIG` says
 * which cluster; it must have no Trotline, and it has none afterwards. The image is `--image NAME:TAG` (default trotline:e2e), which
 * the nodes have already, or which `--load COMMAND` builds and loads: it is given the name, the folder and the options of the build.
 * Prints a line for each fault: what was told, and how long after the fault the agent was asked.
 */
import { execFileSync } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { json } from 'express';

import { type Asked, mountAgent, startPeer } from '../kit/a2a.ts';
import { eventually } from '../kit/eventually.ts';
import { agentProblems } from './agents.ts';
import { type Fault, FAULTS, podOf } from './faults.ts';
import { install, NAMESPACE, ownAddress, uninstall } from './install.ts';
import { apply, get, kubectl, remove } from './kubectl.ts';

const FAULTY = 'trotline-faults';
const TYPES = ['pod-restart', 'oom-kill', 'pod-pending', 'probe-failed'];
/** khook has no name for this one. */
const OWN_TYPES = ['image-pull-failed'];
/** The slowest: a kubelet's back-off before the second try of an image, and pendingAfter. */
const TOLD_WITHIN_MS = 90_000;
/** So long after the last one is looked whether anything is answered twice. */
const QUIET_MS = 20_000;

interface Call {
  readonly type: string;
  readonly pod: string;
  readonly at: number;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      image: { type: 'string', default: 'trotline:e2e' },
      load: { type: 'string' },
      keep: { type: 'boolean' },
    },
  });
  if (values.load !== undefined) {
    say(`building ${values.image}`);
    const words = `${values.load} ${values.image} . -f deploy/Dockerfile --target minimal`;
    execFileSync('sh', ['-c', words], { stdio: ['ignore', 'ignore', 'inherit'] });
  }
  const calls: Call[] = [];
  const address = ownAddress();
  await using agent = await agentAt(address, calls);
  const started = performance.now();
  install({ image: values.image, kagentUrl: agent.origin, allow: [`${address}/32`] });
  say(`installed, every pod ready after ${seconds(performance.now() - started)}`);
  try {
    await run(calls, values.image);
  } finally {
    if (values.keep !== true) {
      remove('namespace', FAULTY);
      uninstall();
    }
  }
}

async function run(calls: readonly Call[], image: string): Promise<void> {
  kubectl(['create', 'namespace', FAULTY]);
  apply(hooks());
  for (const kind of ['hooks.kagent.dev', 'eventhooks'])
    kubectl(['-n', FAULTY, 'wait', '--for=condition=Ready', '--timeout=30s', '--all', kind]);
  await eventually(() => (get('-n', FAULTY, 'eventhooks', 'own') as Hooked).status?.nodes?.applied === 3, {
    timeoutMs: 30_000,
    intervalMs: 250,
  });
  const startedAt = Date.now();
  apply(FAULTS.map((fault) => podOf(fault, FAULTY)));
  const wanted = FAULTS.flatMap(({ name, told }) => told.map((type) => `${type} ${name}`)).toSorted();
  const told = (): string[] => calls.map(({ type, pod }) => `${type} ${pod}`).toSorted();
  const missing = (): string[] => wanted.filter((each) => !told().includes(each));
  const ends = new Ends();
  const answered = (): boolean => {
    ends.look();
    return missing().length === 0;
  };
  await eventually(answered, { timeoutMs: TOLD_WITHIN_MS, intervalMs: 250 }).catch(() => undefined);
  await pause(QUIET_MS);
  for (const fault of FAULTS) report(fault, calls, startedAt, ends);
  const extra = told().filter((each, at, all) => !wanted.includes(each) || all.indexOf(each) !== at);
  const problems = [
    ...missing().map((each) => `not told: ${each}`),
    ...extra.map((each) => `told beside or again: ${each}`),
  ];
  problems.push(...statusProblems(), ...(await agentProblems(image, FAULTY, say)), ...standing());
  for (const problem of problems) say(`✘ ${problem}`);
  if (problems.length > 0) throw new Error(`${problems.length} problems`);
  say('✔ each answered once, status and audit right; agents asked and were known');
}

interface Hooked {
  readonly status?: {
    readonly nodes?: { readonly applied?: number };
    readonly activeEvents?: readonly { eventType: string; resourceName: string }[];
  };
}

function hooks() {
  const configurations = TYPES.map((eventType) => ({
    eventType,
    agentRef: { name: 'doctor' },
    prompt: `${eventType} {{.ResourceName}}`,
  }));
  const metadata = { namespace: FAULTY };
  return [
    {
      apiVersion: 'kagent.dev/v1alpha2',
      kind: 'Hook',
      metadata: { name: 'doctor', ...metadata },
      spec: { eventConfigurations: configurations },
    },
    {
      apiVersion: 'trotline.dev/v1alpha1',
      kind: 'EventHook',
      metadata: { name: 'own', ...metadata },
      spec: {
        source: 'kubernetes',
        eventTypes: OWN_TYPES,
        actions: OWN_TYPES.map((type) => ({
          type: 'a2a',
          config: { kagent: { agent: `${FAULTY}/doctor` }, prompt: `${type} {{.ResourceName}}` },
        })),
      },
    },
  ];
}

/** A kagent-shaped controller with one agent, which answers at once. */
async function agentAt(address: string, calls: Call[]) {
  const peer = await startPeer(address);
  peer.app.post(
    '/api/sessions',
    json(),
    (_, response) => void response.json({ error: false, data: { id: 'session' } }),
  );
  mountAgent(peer, `/api/a2a/${FAULTY}/doctor/`, {
    version: '1.0',
    behave: (turn) => {
      const [type = '', pod = ''] = promptOf(turn.asked).split(' ');
      calls.push({ type, pod, at: Date.now() });
      return turn.say('seen');
    },
  });
  return peer;
}

function promptOf({ data }: Pick<Asked, 'data'>): string {
  return (data[0] as { prompt: string }).prompt;
}

interface Pod {
  readonly metadata: { readonly name: string };
  readonly status: {
    readonly conditions?: readonly { readonly type: string; readonly lastTransitionTime: string }[];
    readonly containerStatuses?: readonly { state?: Ended; lastState?: Ended }[];
  };
}

interface Ended {
  readonly terminated?: { readonly finishedAt?: string };
}

/** When each pod's container ended first, as its kubelet says it, in whole seconds. */
class Ends {
  readonly #ends = new Map<string, number>();

  look(): void {
    for (const { metadata, status } of (get('-n', FAULTY, 'pods') as { items: Pod[] }).items) {
      const [container] = status.containerStatuses ?? [];
      const at = container?.lastState?.terminated?.finishedAt ?? container?.state?.terminated?.finishedAt;
      if (at !== undefined && !this.#ends.has(metadata.name)) this.#ends.set(metadata.name, Date.parse(at));
    }
  }

  of(pod: string): number | undefined {
    return this.#ends.get(pod);
  }
}

/** Of an end, since it; of what time makes, since the pod was made. */
const OF_AN_END: ReadonlySet<string> = new Set(['pod-restart', 'oom-kill']);

function report({ name, told }: Fault, calls: readonly Call[], startedAt: number, ends: Ends): void {
  const lines = told.map((type) => {
    const call = calls.find((each) => each.type === type && each.pod === name);
    if (!call) return `${type} NOT told`;
    const end = OF_AN_END.has(type) ? ends.of(name) : undefined;
    if (end === undefined) return `${type} ${seconds(call.at - startedAt)} after the pod was made`;
    return `${type} ${seconds(call.at - end)} after its end`;
  });
  say(`${name.padEnd(14)} ${lines.join(', ') || 'nothing told'}`);
}

function statusProblems(): string[] {
  const { status } = get('-n', FAULTY, 'hooks.kagent.dev', 'doctor') as Hooked;
  const active = new Set(
    (status?.activeEvents ?? []).map(({ eventType, resourceName }) => `${eventType} ${resourceName}`),
  );
  const wanted = FAULTS.flatMap(({ name, told }) =>
    told.filter((type) => TYPES.includes(type)).map((type) => `${type} ${name}`),
  );
  const unseen = wanted.filter((each) => !active.has(each)).map((each) => `not in activeEvents: ${each}`);
  const audits = (
    get('-n', FAULTY, 'events', '--field-selector', 'involvedObject.kind=Hook') as { items: { reason: string }[] }
  ).items;
  const successes = audits.filter(({ reason }) => reason === 'AgentCallSuccess').length;
  return successes === wanted.length
    ? unseen
    : [...unseen, `${successes} audit Events AgentCallSuccess, expected ${wanted.length}`];
}

/** What people look at, and whether anything was started again. */
function standing(): string[] {
  const sidecars = kubectl([
    '-n',
    NAMESPACE,
    'exec',
    'deployment/trotline-control-plane',
    '--',
    'trotline',
    'sidecars',
  ]);
  process.stdout.write(sidecars);
  const { items } = get('-n', NAMESPACE, 'pods') as {
    items: { metadata: { name: string }; status: { containerStatuses?: { restartCount: number }[] } }[];
  };
  return items
    .filter(({ status }) => status.containerStatuses?.some(({ restartCount }) => restartCount > 0))
    .map(({ metadata }) => `${metadata.name} was started again`);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});

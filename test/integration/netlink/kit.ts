/** What the scenarios share: the whole thread with the real source, inside the network namespace of the scenario. */
import { execFile, execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { parseConfig, type SourceContext, type SourceDefinition, type TrotlineEvent } from '#core';
import { policyForUp } from '#sidecar';

import { script } from '../../../plugins/actions/script/index.ts';
import { netlink } from '../../../plugins/sources/netlink/index.ts';
import { eventually } from '../../kit/eventually.ts';
import { ip } from '../../kit/netns.ts';
import { testAction } from '../../kit/numbered.ts';
import { startThread, type Thread } from '../../kit/thread.ts';

const PRODUCER = fileURLToPath(new URL('../../../native/build/Release/link-producer', import.meta.url));
const LINKS_ALONE = { families: ['link'], namespaces: 'own', settleTimes: [] };
export const NORMAL_BYTES = 33_554_432;
/** Overflows in every burst. */
export const TINY_BYTES = 2048;

export interface NetnsThreadOptions {
  readonly hooks: Readonly<Record<string, string>>;
  readonly receiveBuffer?: number;
  /** Configuration of the source; by default it hears links of its own namespace alone, and messages only. */
  readonly source?: object;
  /** How many events the source has just handed over. */
  readonly emitted?: (count: number) => void;
  /** Instead of the real `script` action. */
  readonly handled?: (event: TrotlineEvent, hook: string) => void;
}

/** The API needs a loopback that is up; every program may run. */
export async function netnsThread({
  hooks,
  receiveBuffer,
  source,
  emitted,
  handled,
}: NetnsThreadOptions): Promise<Thread> {
  if (!ip('link', 'show', 'lo').includes(',UP')) ip('link', 'set', 'lo', 'up');
  const recording = testAction(async (event, { hook }) => {
    handled?.(event, hook);
    return { status: 'delivered' };
  });
  return startThread({
    hooks,
    sources: [configured(receiveBuffer ?? NORMAL_BYTES, source ?? LINKS_ALONE, emitted)],
    actions: [handled ? recording : script],
    policy: policyForUp({ hooksDirectory: '/', user: 'root' }),
  });
}

/** The source as the sidecar starts it, but for what is given. */
function configured(receiveBuffer: number, given: object, emitted?: (count: number) => void): SourceDefinition {
  const config = parseConfig(netlink.config, { receiveBuffer, ...given }, 'source "netlink"');
  const told = ({ emit, ...context }: SourceContext): SourceContext => ({
    ...context,
    emit: (events) => {
      emitted?.(events.length);
      return emit(events);
    },
  });
  return { ...netlink, create: (_config, context) => netlink.create(config, told(context)) };
}

/** Changes the mtu of a link so many times, as fast as the kernel takes it. */
export function produce(name: string, count: number): number {
  const { seconds }: { seconds: number } = JSON.parse(
    execFileSync(PRODUCER, [name, String(count)], { encoding: 'utf8' }),
  );
  return seconds;
}

/** The same in a named network namespace. */
export function produceIn(namespace: string, name: string, count: number): void {
  execFileSync('ip', ['netns', 'exec', namespace, PRODUCER, name, String(count)]);
}

/** The same at a steady pace, in batches of 50, while this process goes on. */
export async function produceAtPace(name: string, count: number, perSecond: number): Promise<number> {
  const args = [name, String(count), '50', String(perSecond)];
  const { stdout } = await promisify(execFile)(PRODUCER, args, { encoding: 'utf8' });
  const { seconds }: { seconds: number } = JSON.parse(stdout);
  return seconds;
}

/** What the ledger says of source and first hook once so much was heard, the lost ones included, and all of it is answered. */
export async function settledLedger(thread: Thread, heard: number) {
  return eventually(
    async () => {
      const [node] = await thread.ledger();
      const source = node?.ledger.sources[0];
      const hook = node?.ledger.hooks[0];
      if (!source || source.heard < heard) throw new Error(`heard ${source?.heard} of ${heard}`);
      if (!hook || hook.pending > 0) throw new Error(`${hook?.pending} are pending`);
      return { source, hook, stored: node.stored };
    },
    { timeoutMs: 20_000 },
  );
}

/** What each run of a hook's program printed, in the order in which the runs ended; once there are that many. */
export async function outputs(thread: Thread, count: number): Promise<string[]> {
  return eventually(
    async () => {
      const events = await thread.fullEvents('?limit=10000');
      const attempts = events.flatMap(({ hooks }) => hooks.flatMap((hook) => hook.attempts));
      if (attempts.length < count) throw new Error(`${attempts.length} of ${count} runs`);
      return attempts.map(({ output }) => output);
    },
    { timeoutMs: 20_000 },
  );
}

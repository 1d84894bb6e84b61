/** `trotline hooks stats`: how hooks ran, and to forget it. */
import { userInfo } from 'node:os';

import { AppError } from '#core';

import { fullHookId } from '../http/names.ts';
import type { HookView } from '../http/views.ts';
import type { HookStats } from '../store/types.ts';
import type { ApiClient } from './client.ts';
import {
  type Command,
  type Context,
  type DataOption,
  dataOption,
  examples,
  openClient,
  type OutputOption,
  outputOption,
  printList,
  watchOption,
  type WatchOption,
} from './command.ts';
import { hookPath } from './hook-path.ts';
import { duration, isoTime, type Listing, timeText } from './output.ts';

interface StatsOptions extends DataOption, OutputOption, WatchOption {
  readonly reset?: boolean;
  readonly yes?: boolean;
}

export function addStats(hooks: Command, context: Context): void {
  const stats = hooks.command('stats [hook]').description('runs of each hook on each node, with their times');
  stats.addOption(dataOption()).addOption(outputOption()).addOption(watchOption());
  stats.option('--reset', 'forget them, and print what was forgotten; audited').option('--yes', 'do so');
  examples(stats, 'trotline hooks stats link-log --watch', 'trotline hooks stats link-log --reset --yes');
  stats.action(async (name: string | undefined, options: StatsOptions) => {
    const client = await openClient(options, context);
    const rows = () => statsOf(name, client);
    if (!options.reset) return printList(STATS, rows, options, context);
    if (options.watch) throw new AppError('USAGE', '--reset happens once, expected it without --watch');
    if (!options.yes) {
      const runs = (await rows()).reduce((sum, { executions }) => sum + executions, 0);
      throw new AppError('USAGE', `this would forget ${runs} runs of ${name ?? 'all hooks'}; say --yes to do it`);
    }
    const path = name === undefined ? '/v1/stats' : hookPath(name, 'stats');
    const forgotten = await client.send<HookStats[]>('DELETE', path, { who: userInfo().username });
    await printList(STATS, async () => forgotten, options, context);
  });
}

/** Of one hook, or of all. */
async function statsOf(name: string | undefined, client: ApiClient): Promise<HookStats[]> {
  const all = await client.get<HookStats[]>('/v1/stats');
  if (name === undefined) return all;
  const own = all.filter(({ hook }) => hook === fullHookId(name));
  // One that has not run is a hook none the less; a name that is none is an error.
  if (own.length === 0) await client.get<HookView>(hookPath(name));
  return own;
}

const STATS: Listing<HookStats> = {
  none: 'no hook has run yet',
  columns: [
    { title: 'HOOK', value: ({ hook }) => hook.replace(/^trotline\//, '') },
    { title: 'NODE', value: ({ node }) => node },
    { title: 'RUNS', value: ({ executions }) => String(executions), align: 'right' },
    { title: 'OK', value: ({ successes }) => String(successes), align: 'right' },
    {
      title: 'FAILED',
      value: ({ failures }) => String(failures),
      align: 'right',
      colour: ({ failures }) => (failures > 0 ? 'red' : undefined),
    },
    {
      title: 'TIMEOUT',
      value: ({ timeouts }) => String(timeouts),
      align: 'right',
      colour: ({ timeouts }) => (timeouts > 0 ? 'red' : undefined),
    },
    { title: 'MIN', value: ({ minMs }) => duration(minMs), align: 'right' },
    { title: 'AVG', value: ({ avgMs }) => duration(avgMs), align: 'right' },
    { title: 'MAX', value: ({ maxMs }) => duration(maxMs), align: 'right' },
    { title: 'P50', value: ({ p50Ms }) => duration(p50Ms), align: 'right', wide: true },
    { title: 'P95', value: ({ p95Ms }) => duration(p95Ms), align: 'right', wide: true },
    { title: 'P99', value: ({ p99Ms }) => duration(p99Ms), align: 'right', wide: true },
    { title: 'TOTAL', value: ({ totalMs }) => duration(totalMs), align: 'right', wide: true },
    { title: 'LAST', value: ({ lastAtMs }) => (lastAtMs === null ? '' : timeText(lastAtMs)), align: 'right' },
  ],
  flat: ({ lastAtMs, ...stats }) => ({ ...stats, lastAt: isoTime(lastAtMs) }),
};

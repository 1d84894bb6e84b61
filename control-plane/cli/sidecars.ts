/** `trotline sidecars`: who is connected, what it hears, whether it runs the newest hooks. */
import type { SidecarView } from '../http/views.ts';
import {
  Command,
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
import { isoTime, type Listing, timeText } from './output.ts';

export function sidecarsCommand(context: Context): Command {
  const sidecars = new Command('sidecars').description('who is connected and what it hears');
  sidecars.addOption(dataOption()).addOption(outputOption()).addOption(watchOption());
  examples(sidecars, 'trotline sidecars', 'trotline sidecars -o wide --watch');
  sidecars.action(async (options: DataOption & OutputOption & WatchOption) => {
    const client = await openClient(options, context);
    await printList(SIDECARS, () => client.get<SidecarView[]>('/v1/sidecars'), options, context);
  });
  return sidecars;
}

const SIDECARS: Listing<SidecarView> = {
  none: 'no sidecar has connected',
  columns: [
    { title: 'NODE', value: ({ node }) => node },
    {
      title: 'CONNECTED',
      value: ({ connected }) => (connected ? 'yes' : 'no'),
      colour: ({ connected }) => (connected ? 'green' : 'red'),
    },
    { title: 'SINCE', value: ({ sinceMs }) => timeText(sinceMs) },
    {
      title: 'HOOKS',
      value: hooksText,
      colour: (row) => (row.state === 'failed' || failedHooks(row) > 0 ? 'red' : undefined),
    },
    {
      title: 'HEARS',
      value: hearsText,
      colour: ({ sources }) => (sources.some(({ status }) => status !== 'ok') ? 'yellow' : undefined),
    },
    { title: 'VERSION', value: ({ version }) => version },
    { title: 'PLUGINS', value: ({ plugins }) => plugins.map(({ type }) => type).join(','), wide: true },
    { title: 'HOOK SET', value: ({ heldVersion }) => heldVersion.slice(0, 12) || '-', wide: true },
    { title: 'LAST SEEN', value: ({ lastSeenMs }) => timeText(lastSeenMs), wide: true },
    { title: 'ID', value: ({ sidecarId }) => sidecarId, wide: true },
  ],
  flat: (row) => ({
    sidecarId: row.sidecarId,
    node: row.node,
    version: row.version,
    connected: row.connected,
    since: isoTime(row.sinceMs),
    lastSeen: isoTime(row.lastSeenMs),
    upToDate: row.upToDate,
    state: row.state,
    reason: row.reason,
    heldVersion: row.heldVersion,
    appliedHooks: row.hooks.length - failedHooks(row),
    failedHooks: failedHooks(row),
    sources: hearsText(row),
    plugins: row.plugins.map(({ type }) => type).join(','),
  }),
};

function failedHooks({ hooks }: SidecarView): number {
  return hooks.filter(({ state }) => state === 'failed').length;
}

function hooksText(row: SidecarView): string {
  if (row.state === 'failed') return `refused: ${row.reason}`;
  const failed = failedHooks(row);
  return `${row.upToDate ? 'newest' : 'older'}${failed > 0 ? `, ${failed} failed` : ''}`;
}

function hearsText({ sources }: SidecarView): string {
  return (
    sources
      .filter(({ source, status }) => source !== 'journal' || status !== 'ok')
      .map(({ source, status, reason }) => (status === 'ok' ? source : `${source} ${status}: ${reason}`))
      .join('; ') || '-'
  );
}

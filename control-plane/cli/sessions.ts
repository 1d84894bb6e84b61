/** `trotline sessions`: what agents did, session by session, and how it is forgotten. */
import { userInfo } from 'node:os';

import type { ToolCount } from '#core';

import type { ForgottenView } from '../http/session-routes.ts';
import type { Session } from '../store/types.ts';
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
import { duration, isoTime, type Listing, safe, timeText } from './output.ts';

export function sessionsCommand(context: Context): Command {
  const sessions = new Command('sessions').description('what agents did, session by session');
  const list = sessions.command('list').description('sessions of agents, the one that was heard last first');
  list.addOption(dataOption()).addOption(outputOption()).addOption(watchOption());
  examples(list, 'trotline sessions list', 'trotline sessions list -o json');
  list.action(async (options: DataOption & OutputOption & WatchOption) => {
    const client = await openClient(options, context);
    await printList(SESSIONS, () => client.get<Session[]>('/v1/sessions'), options, context);
  });

  const show = sessions.command('show <id>').description('one session: uses of each tool');
  show.addOption(dataOption()).addOption(outputOption());
  examples(show, 'trotline sessions show 7c1f0f2e', 'trotline events list --session 7c1f0f2e');
  show.action(async (session: string, options: DataOption & OutputOption) => {
    const client = await openClient(options, context);
    const read = async () => toolsOf(await client.get<Session>('/v1/session', { session }));
    await printList(TOOLS, read, options, context);
  });

  const forget = sessions.command('forget <id>').description('deletes what is stored of a session; audited');
  forget.addOption(dataOption()).addOption(outputOption());
  examples(forget, 'trotline sessions forget 7c1f0f2e');
  forget.action(async (session: string, options: DataOption & OutputOption) => {
    const client = await openClient(options, context);
    const body = { session, who: userInfo().username };
    const forgotten = await client.send<ForgottenView>('POST', '/v1/sessions/forget', body);
    if (options.output === 'json') return context.terminal.out(`${JSON.stringify(forgotten, null, 2)}\n`);
    const { events, approvals, redis } = forgotten;
    const inRedis = redis === null ? '' : `, ${redis} entries of Redis`;
    return context.terminal.out(`${safe(session)} is forgotten: ${events} events, ${approvals} approvals${inRedis}\n`);
  });
  return sessions;
}

interface ToolRow extends ToolCount {
  readonly tool: string;
}

function toolsOf({ tools }: Session): ToolRow[] {
  return Object.entries(tools)
    .map(([tool, { count, success_count, error_count }]) => ({ tool, count, success_count, error_count }))
    .toSorted((a, b) => b.count - a.count);
}

const SESSIONS: Listing<Session> = {
  none: 'no agent was heard',
  columns: [
    { title: 'SESSION', value: ({ session }) => session },
    { title: 'AGENT', value: ({ agent }) => agent || '-' },
    { title: 'NODE', value: ({ node }) => node },
    { title: 'LAST', value: ({ lastMs }) => timeText(lastMs) },
    { title: 'TOOK', value: ({ firstMs, lastMs }) => duration(lastMs - firstMs) },
    { title: 'EVENTS', value: ({ events }) => String(events) },
    {
      title: 'REFUSED',
      value: ({ refused }) => String(refused),
      colour: ({ refused }) => (refused > 0 ? 'red' : 'dim'),
    },
    { title: 'TOOLS', value: toolsText, max: 60 },
  ],
  flat: ({ session, agent, node, firstMs, lastMs, events, refused, tools }) => ({
    session,
    agent,
    node,
    first: isoTime(firstMs),
    last: isoTime(lastMs),
    events,
    refused,
    tools,
  }),
};

const TOOLS: Listing<ToolRow> = {
  none: 'no tool was used',
  columns: [
    { title: 'TOOL', value: ({ tool }) => tool },
    { title: 'USES', value: ({ count }) => String(count) },
    { title: 'WENT WELL', value: ({ success_count: well }) => String(well) },
    { title: 'FAILED', value: ({ error_count: failed }) => String(failed) },
  ],
  flat: ({ tool, count, success_count, error_count }) => ({ tool, count, success_count, error_count }),
};

function toolsText(session: Session): string {
  return toolsOf(session)
    .map(({ tool, count }) => `${tool} ${count}`)
    .join(', ');
}

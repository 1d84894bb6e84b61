/** `trotline approvals`: what agents wait to be allowed, and a person's answer. */
import { userInfo } from 'node:os';

import { APPROVAL_STATES, type Approval } from '../store/types.ts';
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
import { duration, isoTime, type Listing, timeText } from './output.ts';

interface ListOptions extends DataOption, OutputOption, WatchOption {
  readonly state: string;
}

interface DecideOptions extends DataOption, OutputOption {
  readonly reason: string;
}

export function approvalsCommand(context: Context): Command {
  const approvals = new Command('approvals').description('what agents wait to be allowed');
  const list = approvals.command('list').description('what waits for a person, the oldest first');
  list.option('--state <state>', `one of ${[...APPROVAL_STATES, 'all'].join(', ')}`, 'pending');
  list.addOption(dataOption()).addOption(outputOption()).addOption(watchOption());
  examples(list, 'trotline approvals list --watch', 'trotline approvals list --state all -o json');
  list.action(async ({ state, ...options }: ListOptions) => {
    const client = await openClient(options, context);
    await printList(APPROVALS, () => client.get<Approval[]>('/v1/approvals', { state }), options, context);
  });
  addDecision(approvals, context, 'approve', 'the agent may go on');
  addDecision(approvals, context, 'reject', 'the agent is told no');
  return approvals;
}

function addDecision(approvals: Command, context: Context, act: 'approve' | 'reject', what: string): void {
  const decide = approvals.command(`${act} <id>`).description(`${what}; audited`);
  decide.option('--reason <text>', 'said to the agent', '');
  decide.addOption(dataOption()).addOption(outputOption());
  examples(decide, `trotline approvals ${act} agent-0c4f5a9b1d2e-17 --reason "the change window is open"`);
  decide.action(async (id: string, options: DecideOptions) => {
    const client = await openClient(options, context);
    const path = `/v1/approvals/${encodeURIComponent(id)}/${act}`;
    const body = { who: userInfo().username, why: options.reason };
    const settled = await client.send<Approval>('POST', path, body);
    await printList(APPROVALS, async () => [settled], options, context);
  });
}

const APPROVALS: Listing<Approval> = {
  none: 'nothing waits for a person',
  columns: [
    { title: 'ID', value: ({ id }) => id },
    { title: 'STATE', value: ({ state }) => state, colour: ({ state }) => COLOURS[state] },
    { title: 'LEFT', value: leftText },
    { title: 'RISK', value: ({ asked }) => asked.risk || '-' },
    { title: 'ASKS FOR', value: ({ asked }) => `${asked.tool} ${asked.text}`.trim(), max: 60 },
    { title: 'WHY', value: ({ asked, why }) => why || asked.reason, max: 60 },
    { title: 'WHO', value: ({ who }) => who || '-' },
    { title: 'SINCE', value: ({ createdMs }) => timeText(createdMs), wide: true },
    { title: 'SESSION', value: ({ asked }) => asked.session, wide: true },
    { title: 'AGENT', value: ({ asked }) => asked.agent || '-', wide: true },
    { title: 'FOLDER', value: ({ asked }) => asked.cwd || '-', wide: true },
    { title: 'HOOK', value: ({ hook }) => hook, wide: true },
    { title: 'NODE', value: ({ node }) => node, wide: true },
  ],
  flat: ({ id, state, hook, node, asked, who, why, createdMs, expiresMs, settledMs }) => ({
    id,
    state,
    hook,
    node,
    ...asked,
    who,
    why,
    created: isoTime(createdMs),
    expires: isoTime(expiresMs),
    settled: isoTime(settledMs),
  }),
};

const COLOURS = {
  pending: 'yellow',
  approved: 'green',
  rejected: 'red',
  expired: 'red',
  withdrawn: 'dim',
} as const;

function leftText({ state, expiresMs }: Approval): string {
  return state === 'pending' ? duration(Math.max(0, expiresMs - Date.now())) : '-';
}

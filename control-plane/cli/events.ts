/** `trotline events …`: what happened and what became of it. */
import { AppError } from '#core';

import { fullHookId } from '../http/names.ts';
import type { EventDetail, EventSummary } from '../store/types.ts';
import type { Query } from './client.ts';
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
  timeOption,
  watchOption,
  type WatchOption,
} from './command.ts';
import { EVENTS } from './event-text.ts';
import { eventData, showEvent } from './event-show.ts';
import { LiveLines } from './live-lines.ts';
import { renderData } from './output.ts';

/** As the API has it. */
const MAX_EVENTS = 10_000;

interface FilterOptions {
  readonly type?: string;
  readonly hook?: string;
  readonly node?: string;
  readonly outcome?: string;
}

interface ListOptions extends FilterOptions, DataOption, OutputOption, WatchOption {
  readonly session?: string;
  readonly since?: string;
  readonly until?: string;
  readonly limit: string;
}

export function eventsCommand(context: Context): Command {
  const events = examples(new Command('events'), 'trotline events list --since 10m', 'trotline events tail');
  events.description('what happened, and what became of it');
  addList(events, context);
  addTail(events, context);
  addShow(events, context);
  return events;
}

function addFilters(command: Command): Command {
  return command
    .option('--type <type>', 'only this type, canonical or short: link-added')
    .option('--hook <hook>', 'only events that this hook took')
    .option('--node <node>', 'only events of this node')
    .option('--outcome <outcome>', 'only with this outcome, or pending')
    .addOption(dataOption());
}

function filterQuery({ type, hook, node, outcome }: FilterOptions): Query {
  return { type, hook: hook === undefined ? undefined : fullHookId(hook), node, outcome };
}

function addList(events: Command, context: Context): void {
  const list = addFilters(events.command('list').description('events that hooks took, newest first'));
  list
    .option('--session <id>', 'only events of this session of an agent')
    .option('--since <time>', 'from this time on: 10m ago, or an ISO time')
    .option('--until <time>', 'up to this time');
  list.option('-n, --limit <count>', 'at most so many', '100').addOption(outputOption()).addOption(watchOption());
  examples(
    list,
    'trotline events list --since 10m --outcome rejected',
    'trotline events list --hook veth-gone -o json',
  );
  list.action(async (options: ListOptions) => {
    const times = () => ({
      sinceMs: timeOption(options.since, '--since'),
      untilMs: timeOption(options.until, '--until'),
    });
    const limit = Number(options.limit);
    if (!/^\d+$/.test(options.limit) || limit < 1 || limit > MAX_EVENTS)
      throw new AppError('USAGE', `--limit "${options.limit}" is no number, expected 1 to ${MAX_EVENTS}`);
    times();
    const client = await openClient(options, context);
    const rows = (): Promise<EventSummary[]> =>
      client.get<EventSummary[]>('/v1/events', {
        ...filterQuery(options),
        ...times(),
        session: options.session,
        limit,
      });
    await printList(EVENTS, rows, options, context);
  });
}

function addTail(events: Command, context: Context): void {
  const tail = addFilters(
    events.command('tail').description('events as they come, with each hook’s result, until Ctrl-C'),
  );
  tail.addOption(outputOption());
  examples(tail, 'trotline events tail', 'trotline events tail --type link-deleted -o json');
  tail.action(async (options: FilterOptions & DataOption & OutputOption) => {
    const client = await openClient(options, context);
    const { terminal, signal } = context;
    context.heedsStop = true;
    const lines = new LiveLines({ terminal, json: options.output === 'json' || !terminal.interactive });
    const omitted = (count: number): void => terminal.err(`${count} events left out: this terminal is too slow\n`);
    for await (const event of client.events(filterQuery(options), signal, omitted)) lines.add(event);
    lines.end();
  });
}

function addShow(events: Command, context: Context): void {
  const show = events.command('show <id>').description('one event with its attributes and every attempt');
  show.addOption(dataOption()).addOption(outputOption());
  examples(show, 'trotline events show netlink-3f9a', 'trotline events show netlink-3f9a -o json > event.json');
  show.action(async (id: string, options: DataOption & OutputOption) => {
    const client = await openClient(options, context);
    const event = await client.get<EventDetail>(`/v1/events/${encodeURIComponent(id)}`);
    const { terminal } = context;
    const { output } = options;
    terminal.out(
      output === 'json' || output === 'yaml' ? renderData(eventData(event), output) : showEvent(event, terminal),
    );
  });
}

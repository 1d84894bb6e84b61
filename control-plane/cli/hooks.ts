/** `trotline hooks …`: what is in effect, and its switches. */
import { userInfo } from 'node:os';

import { fullHookId } from '../http/names.ts';
import type { HooksView, HookView } from '../http/views.ts';
import type { ApiClient } from './client.ts';
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
import { renderRefused } from './errors.ts';
import { addStats } from './hooks-stats.ts';
import { hookPath } from './hook-path.ts';
import { addTestCommand } from './hooks-test.ts';
import { addValidateCommand } from './hooks-validate.ts';
import { showHook } from './hook-text.ts';
import { isoTime, type Listing, renderData, safe } from './output.ts';

export function hooksCommand(context: Context): Command {
  const hooks = examples(new Command('hooks'), 'trotline hooks list', 'trotline hooks validate deploy/examples/hooks');
  hooks.description('hooks in effect; validate, test, switch them');
  addList(hooks, context);
  addShow(hooks, context);
  addValidateCommand(hooks, context);
  addTestCommand(hooks, context);
  addSwitches(hooks, context);
  addStats(hooks, context);
  return hooks;
}

function addList(hooks: Command, context: Context): void {
  const list = hooks.command('list').description('all hooks, and how they stand on the nodes');
  list.addOption(dataOption()).addOption(outputOption()).addOption(watchOption());
  examples(list, 'trotline hooks list -o wide', 'trotline hooks list -o json');
  list.action(async (options: DataOption & OutputOption & WatchOption) => {
    const client = await openClient(options, context);
    let said = '';
    const rows = async (): Promise<readonly HookView[]> => {
      const view = await client.get<HooksView>('/v1/hooks');
      const now = troubles(view, context);
      if (now !== said) context.terminal.err(now);
      said = now;
      return view.hooks;
    };
    await printList(HOOKS, rows, options, context);
  });
}

/** What is wrong with the directory or its hooks; '' when nothing is. */
function troubles({ refused, hooks, problem }: HooksView, { terminal }: Context): string {
  const warning = terminal.paint('yellow', 'warning:');
  const gone =
    problem === null ? '' : `${warning} the hook directory cannot be read (${safe(problem)}); its hooks stay\n`;
  const kept = new Set(hooks.filter((hook) => hook.kept).map(({ hook }) => hook));
  return gone + renderRefused(refused, terminal, ({ id }) => keptText(id, kept));
}

/** What happens to a refused hook now. */
export function keptText(id: string | null, kept: ReadonlySet<string>): string {
  if (id === null) return 'kept: its hooks go on running as they were';
  return kept.has(id) ? `kept: the last good version of "${id.replace(/^trotline\//, '')}" goes on running` : '';
}

const HOOKS: Listing<HookView> = {
  none: 'no hooks; put a YAML file into the hook directory',
  columns: [
    { title: 'HOOK', value: nameOf },
    { title: 'ENABLED', value: enabledText, colour: ({ enabled }) => (enabled ? 'green' : 'yellow') },
    { title: 'SOURCE', value: ({ spec }) => spec.source || 'all' },
    { title: 'CONDITION', value: ({ spec }) => spec.condition || '-', max: 48 },
    { title: 'CEL', value: ({ spec }) => spec.cel ?? '-', max: 48, wide: true },
    { title: 'ACTIONS', value: actionsText, max: 40 },
    {
      title: 'NODES',
      value: nodesText,
      colour: ({ nodes }) => (nodes.some(({ state }) => state === 'failed') ? 'red' : undefined),
    },
    { title: 'MODE', value: ({ spec }) => spec.mode, wide: true },
    { title: 'RUN', value: ({ spec }) => spec.run, wide: true },
    { title: 'TYPES', value: ({ spec }) => spec.eventTypes.join(',') || 'all', wide: true },
    { title: 'FROM', value: ({ origin }) => (origin ? `${origin.file}:${origin.line}` : '-'), wide: true },
    { title: 'DIGEST', value: ({ digest }) => digest.slice(0, 12), wide: true },
  ],
  flat: (hook) => ({
    hook: hook.hook,
    namespace: hook.namespace,
    name: hook.name,
    form: hook.form,
    enabled: hook.enabled,
    overriddenBy: hook.override?.who ?? null,
    overriddenAt: isoTime(hook.override?.whenMs ?? null),
    source: hook.spec.source,
    eventTypes: hook.spec.eventTypes.join(','),
    condition: hook.spec.condition,
    cel: hook.spec.cel ?? '',
    mode: hook.spec.mode,
    run: hook.spec.run,
    actions: actionsText(hook),
    kept: hook.kept,
    applied: hook.nodes.filter(({ state }) => state === 'applied').length,
    failed: hook.nodes.filter(({ state }) => state === 'failed').length,
    nodes: hook.nodes.length,
    file: hook.origin?.file ?? null,
    line: hook.origin?.line ?? null,
    digest: hook.digest,
  }),
};

/** Hooks of our own namespace go by their name alone. */
function nameOf({ hook, name }: HookView): string {
  return fullHookId(name) === hook ? name : hook;
}

function enabledText({ enabled, override }: HookView): string {
  return `${enabled ? 'yes' : 'no'}${override ? ` (by ${override.who})` : ''}`;
}

function actionsText({ spec }: HookView): string {
  return spec.actions.map(({ type, config }) => `${type} ${targetOf(config)}`.trim()).join(' · ');
}

/** The one thing of a configuration that says what the action does. */
function targetOf(config: object): string {
  if ('script' in config && typeof config.script === 'string') return config.script;
  if ('command' in config && Array.isArray(config.command)) return config.command.join(' ');
  return 'url' in config && typeof config.url === 'string' ? config.url : '';
}

function nodesText({ nodes }: HookView): string {
  const failed = nodes.filter(({ state }) => state === 'failed').length;
  const applied = nodes.filter(({ state }) => state === 'applied').length;
  return `${applied}/${nodes.length} applied${failed > 0 ? `, ${failed} failed` : ''}`;
}

function addShow(hooks: Command, context: Context): void {
  const show = hooks.command('show <hook>').description('one hook with every default, where it runs, and its runs');
  show.addOption(dataOption()).addOption(outputOption());
  examples(show, 'trotline hooks show veth-gone', 'trotline hooks show trotline/veth-gone -o json');
  show.action(async (name: string, options: DataOption & OutputOption) => {
    const hook = await (await openClient(options, context)).get<HookView>(hookPath(name));
    const { terminal } = context;
    if (options.output === 'json' || options.output === 'yaml') terminal.out(renderData(hook, options.output));
    else terminal.out(showHook(hook, terminal));
  });
}

function addSwitches(hooks: Command, context: Context): void {
  const add = (
    name: string,
    text: string,
    done: string,
    call: (client: ApiClient, path: string, body: object) => Promise<HookView>,
  ): void => {
    const command = hooks.command(`${name} <hook...>`).description(text).addOption(dataOption());
    command.addOption(outputOption());
    examples(command, `trotline hooks ${name} veth-gone`, `trotline hooks ${name} veth-gone notify`);
    command.action(async (names: readonly string[], { output, ...options }: DataOption & OutputOption) => {
      const { terminal } = context;
      const paths = names.map((each) => hookPath(each));
      const client = await openClient(options, context);
      const views: HookView[] = [];
      for (const path of paths) {
        const view = await call(client, path, { who: userInfo().username });
        views.push(view);
        const now = name === 'follow-file' ? ` (${view.enabled ? 'enabled' : 'disabled'})` : '';
        if (output === 'table' || output === 'wide') terminal.out(`${safe(nameOf(view))} ${done}${now}\n`);
      }
      if (output === 'json' || output === 'yaml') terminal.out(renderData(views.map(HOOKS.flat), output));
    });
  };
  add('enable', 'switch hooks on, whatever their file says', 'enabled', (client, path, body) =>
    client.send('POST', `${path}/enable`, body),
  );
  add('disable', 'switch hooks off, whatever their file says', 'disabled', (client, path, body) =>
    client.send('POST', `${path}/disable`, body),
  );
  add('follow-file', 'let the files decide again', 'follows its file again', (client, path, body) =>
    client.send('DELETE', `${path}/override`, body),
  );
}

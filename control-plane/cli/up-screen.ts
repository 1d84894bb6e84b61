/** The first thing that `trotline up` shows: what is heard and what not, the hooks, the API, what to try. */
import { homedir } from 'node:os';

import type { SourceHealth } from '#core';

import type { HooksView, SidecarView } from '../http/views.ts';
import { namesText, safe, type Terminal, wrap } from './output.ts';
import { refusedText } from './up-changes.ts';

/** Columns before the text of a row. */
const INDENT = 12;

export interface FirstScreen {
  readonly version: string;
  readonly node: string;
  readonly data: string;
  /** ` --data DIR` for other commands, '' where they need none. */
  readonly dataArgument: string;
  readonly hooksDirectory: string;
  readonly address: string;
  readonly hooks: HooksView;
  /** Null: it has not connected yet. */
  readonly sidecar: SidecarView | null;
}

export function firstScreen(screen: FirstScreen, terminal: Terminal): string {
  const { version, node, data, dataArgument, address } = screen;
  const { paint } = terminal;
  const rows: (readonly [string, string])[] = [
    ...heardRows(screen.sidecar),
    ...hookRows(screen),
    ['api', `${address}    token in ${home(data)}/token`],
    ['', ''],
    ['try', 'sudo ip link add hello type veth peer name hello2'],
    ['', 'sudo ip link del hello'],
    ['', hinted(`npx trotline events tail${dataArgument}`, '# in another terminal', terminal.width - INDENT)],
  ];
  const refused = refusedText(screen.hooks, terminal);
  const head = `${paint('bold', 'trotline')} ${version} · node ${safe(node)} · data ${safe(home(data))}`;
  const lines = rows.flatMap(([label, text]) =>
    (isCommand(text) ? [safe(text)] : wrap(safe(text), terminal.width - INDENT)).map((line, at) =>
      `  ${(at === 0 ? label : '').padEnd(INDENT - 3)} ${line}`.trimEnd(),
    ),
  );
  return `${head}\n\n${lines.join('\n')}\n\n${refused === '' ? '' : `${refused}\n`}`;
}

/** A command with what is to be known of it, where there is room. */
function hinted(command: string, hint: string, width: number): string {
  const both = `${command}          ${hint}`;
  return both.length <= width ? both : command;
}

/** Stays one line, so that it can be pasted. */
function isCommand(text: string): boolean {
  return /^(sudo|npx) /.test(text);
}

function heardRows(sidecar: SidecarView | null): (readonly [string, string])[] {
  if (!sidecar) return [['hears', 'nothing yet: the sidecar is still starting (its log is in the data folder, logs/)']];
  if (sidecar.sources.length === 0) return [['hears', 'nothing yet: no source has reported']];
  const rows = sidecar.sources.flatMap(sourceRows);
  const width = Math.max(8, ...rows.map(([what]) => what.length + 1));
  return rows.map(([what, text], at) => [at === 0 ? 'hears' : '', `${what.padEnd(width)} ${text}`]);
}

/** A degraded source hears, but not as well as it could: its reason says why. */
function sourceRows({ source, status, reason, hears = '' }: SourceHealth): (readonly [string, string])[] {
  // No source, but it decides whether anything is taken in.
  if (source === 'journal') return status === 'ok' ? [] : [['limited', `journal: ${reason}`]];
  if (status === 'failed') return [['not', `${source}: ${reason}`]];
  const limits = status === 'ok' ? [] : reason.split('; ').map((part) => ['limited', part] as const);
  return [[source, hears], ...limits];
}

function hookRows({ hooks: { hooks }, sidecar, hooksDirectory }: FirstScreen): (readonly [string, string])[] {
  const failed = hooks.flatMap(({ hook, name, nodes }) => {
    const reason = nodes.find(({ state, sidecarId }) => state === 'failed' && sidecarId === sidecar?.sidecarId)?.reason;
    return reason === undefined ? [] : [{ hook, name, reason }];
  });
  const running = hooks.filter(({ hook }) => !failed.some((one) => one.hook === hook));
  const names = namesText(running.map(({ name, enabled }) => (enabled ? name : `${name} (disabled)`)));
  return [
    ['hooks', `${running.length} applied from ${hooksDirectory}     ${names}`],
    ...failed.map(({ name, reason }) => ['', `failed: ${name}: ${reason}`] as const),
  ];
}

/** `/home/me/x` → `~/x`. */
export function home(path: string): string {
  const own = homedir();
  return path === own || path.startsWith(`${own}/`) ? `~${path.slice(own.length)}` : path;
}

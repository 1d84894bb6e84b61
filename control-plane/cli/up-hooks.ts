/** What `trotline up` says while hooks are edited: what was refused and why, and what is in effect. */
import type { HooksView } from '../http/views.ts';
import type { ApiClient } from './client.ts';
import { type Context, pause } from './command.ts';
import { count, renderRefused } from './errors.ts';
import { keptText } from './hooks.ts';
import { safe, type Terminal, timeText } from './output.ts';

/** An editor's save is answered within about so long. */
const LOOK_MS = 1000;

/** Until `over` aborts; `shown` is what people know already. */
export async function followHooks(
  client: ApiClient,
  shown: HooksView,
  { terminal }: Context,
  over: AbortSignal,
): Promise<void> {
  let known = stateOf(shown);
  while (!over.aborted) {
    await pause(LOOK_MS, over);
    const view = over.aborted ? null : await client.get<HooksView>('/v1/hooks').catch(() => null);
    if (!view || stateOf(view) === known) continue;
    known = stateOf(view);
    terminal.err(changeText(view, terminal));
  }
}

function stateOf({ version, problem, refused }: HooksView): string {
  return JSON.stringify([version, problem, refused]);
}

export function refusedText({ refused, hooks }: HooksView, terminal: Terminal): string {
  const kept = new Set(hooks.filter((hook) => hook.kept).map(({ hook }) => hook));
  return renderRefused(refused, terminal, ({ id }) => keptText(id, kept));
}

export function changeText(view: HooksView, terminal: Terminal, now = Date.now()): string {
  const { hooks, problem } = view;
  const { paint } = terminal;
  const gone =
    problem === null
      ? ''
      : `${paint('yellow', 'warning:')} the hook directory cannot be read (${safe(problem)}); its hooks stay\n`;
  const names = hooks.map(({ name, enabled }) => safe(enabled ? name : `${name} (disabled)`)).join(' · ');
  const line = `${paint('dim', timeText(now, now))}  ${count(hooks.length, 'hook')} in effect${names === '' ? '' : `: ${names}`}\n`;
  return `${gone}${refusedText(view, terminal)}${line}`;
}

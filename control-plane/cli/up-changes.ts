/** What `trotline up` says while hooks are edited: what was refused and why, and what is in effect. */
import type { HooksView, SidecarView } from '../http/views.ts';
import type { ApiClient } from './client.ts';
import { type Context, pause } from './command.ts';
import { count, renderRefused } from './errors.ts';
import { keptText } from './hooks.ts';
import { namesText, safe, type Terminal, timeText } from './output.ts';

/** An editor's save is answered within about so long. */
const LOOK_MS = 1000;

/** Until `over` aborts; `shown` is what people know already. */
export async function followHooks(
  client: ApiClient,
  shown: HooksView,
  { terminal }: Context,
  over: AbortSignal,
): Promise<void> {
  let known = shown;
  while (!over.aborted) {
    await pause(LOOK_MS, over);
    const view = over.aborted ? null : await client.get<HooksView>('/v1/hooks').catch(() => null);
    if (!view || stateOf(view) === stateOf(known)) continue;
    terminal.err(changeText(view, known, terminal));
    known = view;
  }
}

function stateOf({ version, problem, refused }: HooksView): string {
  return JSON.stringify([version, problem, refused]);
}

export function refusedText({ refused, hooks }: HooksView, terminal: Terminal): string {
  const kept = new Set(hooks.filter((hook) => hook.kept).map(({ hook }) => hook));
  return renderRefused(refused, terminal, ({ id }) => keptText(id, kept));
}

/** What is new in `view`: what was refused as it is now has been said. */
export function changeText(view: HooksView, known: HooksView, terminal: Terminal, now = Date.now()): string {
  const { hooks, problem } = view;
  const said = new Set(known.refused.map((refused) => JSON.stringify(refused)));
  const fresh = view.refused.filter((refused) => !said.has(JSON.stringify(refused)));
  const { paint } = terminal;
  const gone =
    problem === null
      ? ''
      : `${paint('yellow', 'warning:')} the hook directory cannot be read (${safe(problem)}); its hooks stay\n`;
  const names = safe(namesText(hooks.map(({ name, enabled }) => (enabled ? name : `${name} (disabled)`))));
  const line = `${paint('dim', timeText(now, now))}  ${count(hooks.length, 'hook')} in effect${names === '' ? '' : `: ${names}`}\n`;
  return `${gone}${refusedText({ ...view, refused: fresh }, terminal)}${line}`;
}

/** Says when a source, or the journal, hears worse or better than before; `shown` is what people know already. */
export async function followHealth(
  client: ApiClient,
  shown: SidecarView | null,
  { terminal }: Context,
  over: AbortSignal,
): Promise<void> {
  const healthOf = (view: SidecarView | null): Map<string, string> =>
    new Map(view?.sources.map(({ source, status, reason }) => [source, status === 'ok' ? '' : `${status}: ${reason}`]));
  let known = healthOf(shown);
  while (!over.aborted) {
    await pause(LOOK_MS, over);
    const views = over.aborted ? null : await client.get<SidecarView[]>('/v1/sidecars').catch(() => null);
    const view = views?.find(({ connected }) => connected);
    if (!view) continue;
    const now = healthOf(view);
    for (const [source, health] of now) {
      if ((known.get(source) ?? '') === health) continue;
      const text = health === '' ? `${source} is well again` : `${source} ${health}`;
      terminal.err(`${terminal.paint('dim', timeText(Date.now()))}  ${terminal.paint('yellow', safe(text))}\n`);
    }
    known = now;
  }
}

/** What is said of what cannot be seen through, and of what slips in beside a command. */
import type { ParsedScript } from 'unbash';

import type { Host, Invocation } from './invocation.ts';
import { DOWNLOAD, shown } from './marks.ts';

export function tellOpaqueText(text: string, host: Host): void {
  const from = text.includes(DOWNLOAD) ? 'what comes over the network' : 'text that cannot be seen here';
  host.find('HIGH', text.includes(DOWNLOAD) ? 'download-run' : 'opaque-text', `runs ${from} as a shell's`);
}

export function tellOpaqueCommand(path: string, host: Host): void {
  if (path.includes(DOWNLOAD)) host.find('HIGH', 'download-run', 'runs what comes over the network');
  else host.find('HIGH', 'opaque-command', `which command runs cannot be seen: “${shown(path)}”`);
}

export function tellErrors({ errors }: ParsedScript, text: string, host: Host): void {
  const [error] = errors ?? [];
  if (!error) return;
  const place = shown(text.slice(Math.max(0, error.pos - 20), error.pos + 20));
  host.find('HIGH', 'not-understood', `is no shell text that can be understood: ${error.message} at “${place}”`);
}

/** Variables that are set for one command and change what it runs. */
export function tellEnvironment(variable: string, from: Invocation, host: Host): void {
  const value = from.scope.get(variable).join(' ');
  if (/^LD_(PRELOAD|LIBRARY_PATH|AUDIT)$/.test(variable) && value !== '')
    host.find('HIGH', 'preload', `${variable}=${shown(value)} puts code into ${from.name}`);
  if (/^(GIT_SSH_COMMAND|GIT_PAGER|PAGER|EDITOR|GIT_EDITOR|VISUAL|BASH_ENV|ENV|PROMPT_COMMAND)$/.test(variable))
    host.runText(value, from);
}

/** What is said of what cannot be seen through, and of what slips in beside a command. */
import type { Command, ParsedScript } from 'unbash';

import type { Risk } from '#core';

import type { Host, Invocation } from './invocation.ts';
import type { FunctionBody } from './scope.ts';
import { DOWNLOAD, HOLE, shown } from './marks.ts';

/** What it prints: nobody knows. */
export function tellOpaqueText(text: string, host: Host): string {
  const from = text.includes(DOWNLOAD) ? 'what comes over the network' : 'text that cannot be seen here';
  host.find('HIGH', text.includes(DOWNLOAD) ? 'download-run' : 'opaque-text', `runs ${from} as a shell's`);
  return HOLE;
}

export function tellEndless(host: Host): void {
  host.find('CRITICAL', 'fork-bomb', 'starts processes without end');
}

/** What it prints: nobody knows. */
export function tellOpaqueCommand(path: string, host: Host): string {
  if (path.includes(DOWNLOAD)) host.find('HIGH', 'download-run', 'runs what comes over the network');
  else host.find('HIGH', 'opaque-command', `which command runs cannot be seen: “${shown(path)}”`);
  return HOLE;
}

export function tellPattern(path: string, host: Host): void {
  host.find('HIGH', 'opaque-command', `which command “${shown(path)}” is depends on the files that are there`);
}

export function tellErrors({ errors }: ParsedScript, text: string, host: Host): void {
  const [error] = errors ?? [];
  if (!error) return;
  const place = shown(text.slice(Math.max(0, error.pos - 20), error.pos + 20));
  host.find('HIGH', 'not-understood', `is no shell text that can be understood: ${error.message} at “${place}”`);
}

type Setting = readonly [name: RegExp, value: RegExp, risk: Risk, rule: string, what: string];

/** Variables that load code, or change whom a program trusts. */
const SETTINGS: readonly Setting[] = [
  [/^DYLD_(INSERT_LIBRARIES|LIBRARY_PATH)$/, /./, 'HIGH', 'preload', 'puts code into what is started'],
  [/^(BASH_ENV|ENV|ZDOTDIR|INPUTRC)$/, /^(\/|~|\.)/, 'HIGH', 'preload', 'runs a file first'],
  [
    /^(NODE_OPTIONS)$/,
    /(-r|--require|--import|--loader|--experimental-loader)[= ]?\s*[^\s]/,
    'HIGH',
    'preload',
    'loads code first',
  ],
  [
    /^(PERL5OPT|RUBYOPT|PYTHONSTARTUP|PERL5DB|PYTHONHOME|JAVA_TOOL_OPTIONS|_JAVA_OPTIONS)$/,
    /-M|-r|-d|\/|javaagent|agentlib/,
    'HIGH',
    'preload',
    'loads code first',
  ],
  [
    /^(PIP_INDEX_URL|PIP_EXTRA_INDEX_URL|UV_INDEX_URL|UV_DEFAULT_INDEX|npm_config_registry|NPM_CONFIG_REGISTRY|GOPROXY)$/,
    /^http:/,
    'HIGH',
    'install-from',
    'installs from a place that nobody vouches for',
  ],
  [
    /^(GOFLAGS|GOINSECURE|GONOSUMDB|GONOSUMCHECK|GOSUMDB)$/,
    /insecure|\*|^off$/,
    'MEDIUM',
    'install-from',
    'installs without checking',
  ],
  [
    /^(NODE_TLS_REJECT_UNAUTHORIZED|PYTHONHTTPSVERIFY)$/,
    /^0$/,
    'MEDIUM',
    'insecure',
    'does not check whom it talks to',
  ],
  [/^GIT_SSL_NO_VERIFY$/, /./, 'MEDIUM', 'insecure', 'does not check whom it talks to'],
  [
    /^(HISTFILE|HISTSIZE|HISTFILESIZE)$/,
    /^(\/dev\/null|0|)$/,
    'HIGH',
    'cover-tracks',
    'stops writing down what is done',
  ],
  [/^DISABLE_DATABASE_ENVIRONMENT_CHECK$/, /./, 'HIGH', 'database', 'lets a task delete the database of production'],
  [
    /^PATH$/,
    /^(\/tmp|\/var\/tmp|\/dev\/shm|\.:|:)/,
    'HIGH',
    'preload',
    'puts programs of everybody before those of the system',
  ],
];

/** Variables that are set for one command and change what it runs. */
export function tellEnvironment(variable: string, from: Invocation, host: Host): void {
  const value = from.scope.get(variable).join(' ');
  if (/^LD_(PRELOAD|LIBRARY_PATH|AUDIT)$/.test(variable) && value !== '')
    host.find('HIGH', 'preload', `${variable}=${shown(value)} puts code into ${from.name}`);
  const found = SETTINGS.find(([name, pattern]) => name.test(variable) && pattern.test(value));
  if (found) host.find(found[2], found[3], `${variable}=${shown(value)} ${found[4]}`);
  if (
    /^(GIT_SSH|GIT_EXTERNAL_DIFF|GIT_PROXY_COMMAND|GIT_SSH_COMMAND|GIT_PAGER|PAGER|EDITOR|GIT_EDITOR|VISUAL|MANPAGER|PROMPT_COMMAND|LESSOPEN|GIT_ASKPASS|SSH_ASKPASS)$/.test(
      variable,
    )
  )
    host.runText(value.replace(/^\|/, ''), from);
}

/** Shells that are tied to the network, and output without end. */
export function tellRedirected(path: string, isOutput: boolean, from: Invocation, host: Host): void {
  const isShell = /^(\w*sh|exec|python\d?|perl|ruby|socat)$/.test(from.name);
  if (isShell && /^\/dev\/(tcp|udp)\//.test(path))
    host.find('CRITICAL', 'reverse-shell', `gives a shell to ${shown(path)}`);
  if (isOutput && isEndlessOutput(from)) host.find('HIGH', 'exhaust', `fills the disk: ${shown(path)}`);
}

/** `yes`, `cat /dev/zero`: what they print has no end. */
function isEndlessOutput({ name, args }: Invocation): boolean {
  return name === 'yes' || (name === 'cat' && args.some((arg) => /^\/dev\/(zero|u?random)$/.test(arg)));
}

/** The first word of a simple command, as written; '' for others. */
export function wordOf(node: {
  readonly type: string;
  readonly name?: { readonly text?: string } | undefined;
}): string {
  return node.type === 'Command' ? (node.name?.text ?? '') : '';
}

/** The name of a simple command, unquoted; '' for others. */
export function programOf(body: FunctionBody | Command): string {
  return body.type === 'Command' ? (body.name?.value ?? '') : '';
}

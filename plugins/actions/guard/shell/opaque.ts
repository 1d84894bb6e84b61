/** What is said of what cannot be seen through, and of what slips in beside a command. */
import type { ParsedScript } from 'unbash';

import type { Risk } from '#core';

import type { Host, Invocation } from './invocation.ts';
import { DOWNLOAD, shown } from './marks.ts';

export function tellOpaqueText(text: string, host: Host): void {
  const from = text.includes(DOWNLOAD) ? 'what comes over the network' : 'text that cannot be seen here';
  host.find('HIGH', text.includes(DOWNLOAD) ? 'download-run' : 'opaque-text', `runs ${from} as a shell's`);
}

export function tellEndless(host: Host): void {
  host.find('CRITICAL', 'fork-bomb', 'starts processes without end');
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
    /^(GIT_SSH_COMMAND|GIT_PAGER|PAGER|EDITOR|GIT_EDITOR|VISUAL|MANPAGER|PROMPT_COMMAND|LESSOPEN|GIT_ASKPASS|SSH_ASKPASS)$/.test(
      variable,
    )
  )
    host.runText(value.replace(/^\|/, ''), from);
}

/** Tool calls that are not shell: what they write, read, delete and fetch. */
import { type AgentCall, isObject, pathOf, urlOf } from '#core';

import type { Place } from './judge.ts';
import { addressProblem } from './rules/addresses.ts';
import { deletes, writes } from './rules/files.ts';
import { isSecretPath, placeOf } from './rules/paths.ts';
import type { Finding, Host, Invocation } from './shell/invocation.ts';
import { HOLE, shown, unmarked } from './shell/marks.ts';
import { absolute } from './shell/names.ts';
import { Scope } from './shell/scope.ts';

/** Inputs that only tools have which write. */
const WRITTEN = [
  'content',
  'contents',
  'new_string',
  'new_str',
  'new_source',
  'file_text',
  'insert_text',
  'edits',
  'patch',
];
const DELETES = /delete|remove|unlink|trash/i;
const WRITES = /write|edit|create|replace|patch|append|insert|move|rename|save|put/i;
const FETCHES = /fetch|browse|http|request|navigate|curl|url|download|open_page/i;
const ADDRESS = /\b[a-z][a-z0-9+.-]*:\/\/[^\s"'<>`]+/gi;
/** Schemes that a page is read by. */
const READ_BY = new Set(['http:', 'https:', 'ws:', 'wss:', 'about:', 'data:']);

/** Everything that is to be said of a call by its path and its addresses. */
export function inspectTool(call: AgentCall, { cwd, home, workspaces }: Place): Finding[] {
  const findings: Finding[] = [];
  const host: Host = {
    workspaces,
    find: (risk, rule, reason) => void findings.push({ risk, rule, reason }),
    feed: () => undefined,
    run: () => HOLE,
    runText: () => HOLE,
  };
  const scope = new Scope({ cwd: cwd === '' ? HOLE : cwd, home });
  const from: Invocation = { name: call.tool, path: '', args: [], stdin: '', scope, how: HERE };
  const path = pathOf(call);
  if (path !== '') inspectPath(call, expanded(unmarked(path), home), from, host);
  for (const address of addressesOf(call)) inspectAddress(address, from, host);
  return findings;
}

const HERE = { privileged: false, elsewhere: null };

function inspectPath({ tool, input }: AgentCall, path: string, from: Invocation, host: Host): void {
  const whole = absolute(path, from.scope);
  if (DELETES.test(tool)) return deletes(whole, true, from, host);
  if (!WRITTEN.some((key) => key in input) && !WRITES.test(tool)) return reads(whole, host);
  const content = WRITTEN.map((key) => input[key]).find((value) => typeof value === 'string');
  writes(whole, from, host, typeof content === 'string' ? unmarked(content) : '');
  const place = placeOf(path, from, host.workspaces);
  if (isSecretPath(whole)) host.find('MEDIUM', 'write-secret', `writes “${shown(whole)}”, where keys are`);
  else if (place !== 'workspace' && place !== 'scratch')
    host.find('MEDIUM', 'write-outside', `writes “${shown(whole)}”, outside of the workspace`);
}

function reads(path: string, host: Host): void {
  if (isSecretPath(path)) host.find('MEDIUM', 'read-secret', `reads “${shown(path)}”, where keys are`);
}

/** What people write for a home, and tools may understand. */
function expanded(path: string, home: string): string {
  return path.replace(/^(?:~(?=\/|$)|\$HOME\b|\$\{HOME\})/, home).replace(/^~([\w-]+)/, '/home/$1');
}

/** The call's own address; of tools that take a text, those in it. */
function addressesOf(call: AgentCall): readonly string[] {
  const url = urlOf(call);
  if (url !== '') return [url];
  if (!FETCHES.test(call.tool)) return [];
  return Object.values(call.input).flatMap((value) => (typeof value === 'string' ? (value.match(ADDRESS) ?? []) : []));
}

function inspectAddress(address: string, from: Invocation, host: Host): void {
  const problem = addressProblem(address);
  if (problem !== null) return host.find('HIGH', 'metadata', problem);
  const { protocol, pathname } = URL.canParse(address) ? new URL(address) : { protocol: '', pathname: '' };
  if (protocol === '' || READ_BY.has(protocol)) return;
  if (protocol !== 'file:') return host.find('MEDIUM', 'fetch-scheme', `fetches by ${protocol} “${shown(address)}”`);
  const path = absolute(decoded(pathname), from.scope);
  reads(path, host);
  if (placeOf(path, from, host.workspaces) !== 'workspace')
    host.find('MEDIUM', 'read-outside', `reads the file “${shown(path)}” by its address`);
}

function decoded(path: string): string {
  try {
    return unmarked(decodeURIComponent(path));
  } catch {
    return unmarked(path);
  }
}

/** Shell text that lies deeper in the input than runtimes' own tools have it: `{ input: { command } }`. */
export function nestedCalls(call: AgentCall): AgentCall[] {
  const nested: AgentCall[] = [];
  const walk = (value: unknown, depth: number): void => {
    if (depth > MAX_NESTED || nested.length >= MAX_CALLS) return;
    if (Array.isArray(value)) for (const each of value) walk(each, depth + 1);
    else if (isObject(value)) {
      nested.push({ ...call, input: value });
      for (const each of Object.values(value)) walk(each, depth + 1);
    }
  };
  for (const value of Object.values(call.input)) walk(value, 1);
  return nested;
}

const MAX_NESTED = 4;
const MAX_CALLS = 64;

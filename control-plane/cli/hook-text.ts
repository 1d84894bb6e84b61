import { stringify } from 'yaml';

import { API_VERSION, durationText, isObject } from '#core';

import type { HookView } from '../http/views.ts';
import { renderIssues } from './errors.ts';
import { duration, safe, table, type Terminal, timeText } from './output.ts';

/** Keys of a spec that are durations: shown as documents write them. */
const DURATIONS = new Set(['window', 'per', 'giveUpAfter', 'timeout', 'wait']);

const FORMS = {
  nlmon: "nlmon's form",
  Hook: "khook's form",
  kagent: "kagent's list",
  'claude-code': "Claude Code's settings",
} as const;

/** One hook for people: its document with every default, who switched it, where it runs, its runs. */
export function showHook(hook: HookView, terminal: Terminal): string {
  const { namespace, name, override, nodes, stats, issues, origin, digest, form } = hook;
  const document = {
    apiVersion: API_VERSION,
    kind: 'EventHook',
    metadata: { name, namespace },
    spec: asWritten(hook.spec),
  };
  const facts = [
    `# ${form === 'EventHook' ? '' : `read from ${FORMS[form]}, `}digest ${digest.slice(0, 12)}${origin ? `, ${origin.file}:${origin.line}` : ''}`,
    ...(override
      ? [`# ${override.enabled ? 'enabled' : 'disabled'} by ${override.who} at ${timeText(override.whenMs)}`]
      : []),
  ];
  const parts = [`${facts.map(safe).join('\n')}\n${stringify(document).split('\n').map(safe).join('\n')}`];
  if (issues.length > 0) {
    parts.push(
      `${terminal.paint('red', 'a newer version was refused, this one goes on running:')}\n${renderIssues(issues, terminal)}`,
    );
  }
  if (nodes.length > 0) {
    const columns = [
      { title: 'NODE', value: (row: HookView['nodes'][number]) => row.node },
      { title: 'STATE', value: (row: HookView['nodes'][number]) => `${row.state}${row.connected ? '' : ' (gone)'}` },
      { title: 'SINCE', value: (row: HookView['nodes'][number]) => timeText(row.sinceMs) },
      { title: 'REASON', value: (row: HookView['nodes'][number]) => row.reason || '-' },
    ];
    parts.push(table(columns, nodes, terminal));
  }
  if (stats.length > 0) {
    const runs = stats.map(
      ({ node, executions, successes, failures, timeouts, avgMs }) =>
        `${node}: ${executions} runs, ${successes} ok, ${failures} failed, ${timeouts} timed out, ${duration(avgMs)} on average\n`,
    );
    parts.push(runs.map((line) => `${safe(line.trimEnd())}\n`).join(''));
  }
  return parts.join('\n');
}

function asWritten(value: unknown, key = ''): unknown {
  if (typeof value === 'number' && DURATIONS.has(key)) return durationText(value);
  if (Array.isArray(value)) return value.map((part) => asWritten(part));
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, asWritten(part, name)]));
}

/** A node with the agent source and hooks, and agents that ask at its socket. */
import { request } from 'node:http';
import { join } from 'node:path';

import { agent } from '../../../plugins/sources/agent/index.ts';
import { guard } from '../../../plugins/actions/guard/index.ts';
import { script } from '../../../plugins/actions/script/index.ts';
import { webhook } from '../../../plugins/actions/webhook/index.ts';
import { dataFiles } from '#control-plane';

import { startThread, type Thread, type ThreadOptions } from '../../kit/thread.ts';

export const actions = [guard, script, webhook];

export function startNode(options: ThreadOptions): Promise<Thread> {
  return startThread({ sources: [agent], actions, ...options });
}

export function socketOf(thread: Thread): string {
  return join(dataFiles(thread.folder).sidecar, 'agent.sock');
}

export interface Told {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/** Asks as a runtime does; a text goes as it is. */
export function ask(thread: Thread, body: object | string, path = '/v1/hooks'): Promise<Told> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath: socketOf(thread), path, method: 'POST' }, (response) => {
      let all = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (all += chunk));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body: JSON.parse(all) as Record<string, unknown> }),
      );
    });
    sent.on('error', reject);
    sent.end(text);
  });
}

let calls = 0;

/** What Claude Code sends before it runs a command. */
export function bash(command: string, parts: object = {}): object {
  return {
    session_id: 'session-1',
    transcript_path: '/home/dev/.claude/t.jsonl',
    cwd: '/home/dev/project',
    permission_mode: 'default',
    hook_event_name: 'PreToolUse',
    tool_name: 'Bash',
    tool_input: { command },
    tool_use_id: `toolu_${++calls}`,
    ...parts,
  };
}

export const GUARD_HOOK = `
apiVersion: trotline.dev/v1alpha1
kind: EventHook
metadata: { name: guard }
spec:
  source: agent
  eventTypes: [PreToolUse]
  actions: [{ type: guard }]
`;

/** Takes every event of every agent to the control plane, and does nothing. */
export const EVERYTHING = `
apiVersion: trotline.dev/v1alpha1
kind: EventHook
metadata: { name: everything }
spec:
  source: agent
  mode: audit
  actions: [{ type: guard }]
`;

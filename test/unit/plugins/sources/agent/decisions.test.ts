import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, it, onTestFinished } from 'vitest';

import { type Log, parseConfig, type Verdict } from '#core';

import { agent } from '../../../../../plugins/sources/agent/index.ts';
import { manualClock, memoryOf, silentLog, unasked } from '../../../../kit/action-context.ts';

const DENIED: Verdict = {
  decision: 'deny',
  reason: 'no --password=swordfish here',
  risk: 'HIGH',
  hook: 'trotline/guard',
  approval: null,
  judged: [],
};

it('L39: each decision is a line with event, agent, session, time and reason, and no secret', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'decisions-'));
  const lines: [object, string][] = [];
  const log: Log = {
    ...silentLog,
    info: (fields: unknown, message: unknown) => void lines.push([Object(fields), String(message)]),
  };
  const source = agent.create(parseConfig(agent.config, {}, 'agent'), {
    ...unasked,
    node: 'node-1',
    folder,
    clock: manualClock(),
    log,
    emit: async () => undefined,
    lost: () => undefined,
    ask: async () => DENIED,
    report: () => undefined,
    memory: memoryOf(),
  });
  await source.start?.(new AbortController().signal);
  onTestFinished(async () => {
    await source.stop?.();
    await rm(folder, { recursive: true, force: true });
  });
  await new Promise<void>((resolve, reject) => {
    const sent = request({ socketPath: join(folder, 'agent.sock'), path: '/v1/hooks', method: 'POST' }, (response) => {
      response.resume().on('end', () => resolve());
    });
    sent.on('error', reject);
    sent.end(
      '{"hook_event_name":"PreToolUse","session_id":"s","agent_id":"a","tool_name":"Bash","tool_input":{"command":"ls"}}',
    );
  });
  expect(lines).toEqual([
    [
      {
        event: 'PreToolUse',
        agent: 'a',
        session: 's',
        tool: 'Bash',
        decision: 'deny',
        risk: 'HIGH',
        hook: 'trotline/guard',
        ms: expect.any(Number) as unknown,
        reason: 'no --password=[redacted] here',
      },
      'verdict',
    ],
  ]);
});

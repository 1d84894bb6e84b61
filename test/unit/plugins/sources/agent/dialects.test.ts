/** Every dialect reads and answers the shared vectors: test/conformance/dialects. */
import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { agentEventType, type Verdict } from '#core';

import type { Body } from '../../../../../plugins/bodies.ts';
import { DIALECTS, dialectOf } from '../../../../../plugins/sources/agent/dialects/index.ts';
import { callOf } from '../../../../kit/agent-call.ts';

interface CallVector {
  readonly title: string;
  readonly type: string;
  readonly call: object;
  readonly bodies: Readonly<Record<string, Body | null>>;
}

interface VerdictVector {
  readonly title: string;
  readonly event: string;
  readonly verdict: Pick<Verdict, 'decision' | 'reason'>;
  readonly answers: Readonly<Record<string, { readonly body: object; readonly exit: number }>>;
}

function vectors<V>(name: string): V[] {
  const url = new URL(`../../../../conformance/dialects/${name}.jsonl`, import.meta.url);
  const lines = readFileSync(url, 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line) as V);
}

const CALLS = vectors<CallVector>('calls');
const VERDICTS = vectors<VerdictVector>('verdicts');
const NAMES = DIALECTS.map(({ name }) => name).toSorted();

describe.each(DIALECTS)('the dialect $name', (dialect) => {
  const told = CALLS.flatMap(({ bodies, ...vector }) => {
    const body = bodies[dialect.name];
    return body ? [{ ...vector, body }] : [];
  });

  it.each(told)('reads $title', ({ type, call, body }) => {
    const heard = dialect.read(body);
    expect(heard).toMatchObject(call);
    expect(agentEventType(heard.name)).toBe(type);
  });

  it.each(VERDICTS)('answers $title', ({ event, verdict, answers }) => {
    const call = callOf({ name: event, tool: event.includes('Tool') ? 'Bash' : '' });
    const whole: Verdict = { hook: 'trotline/guard', approval: null, judged: [], ...verdict };
    expect({
      body: dialect.answer(whole, call, { eventId: 'agent-1', tookMs: 1.5 }),
      exit: dialect.blocksByExit(whole, call) ? 2 : 0,
    }).toEqual(answers[dialect.name]);
  });

  it('is recognised without a name, where its form is its own', () => {
    const found = new Set(told.map(({ body }) => dialectOf(body).name));
    if (dialect.name === 'neutral') expect([...found]).toEqual(['neutral']);
    if (dialect.name === 'claude-code') expect([...found]).toEqual(['claude-code']);
  });
});

it('every vector speaks of every dialect', () => {
  for (const { bodies } of CALLS) expect(Object.keys(bodies).toSorted()).toEqual(NAMES);
  for (const { answers } of VERDICTS) expect(Object.keys(answers).toSorted()).toEqual(NAMES);
});

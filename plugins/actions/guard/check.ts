/** The guard without a hook: for people who ask it about commands (`trotline guard check`). */
import { type AgentCall, type Decision, NO_PEER, parseConfig, type Risk } from '#core';

import { config } from './config.ts';
import { createAssess } from './judge.ts';
import { assessCall, judgmentOf } from './judging.ts';

/** What is asked: a command, or the tool call of an agent. */
export interface CheckedCall {
  readonly tool: string;
  readonly input: Readonly<Record<string, unknown>>;
  /** '' where nobody says. */
  readonly cwd: string;
}

export interface Checked {
  /** allow: the guard would have no objection. */
  readonly verdict: Decision;
  readonly risk: Risk;
  /** Worst first: `CRITICAL delete-system: deletes …`. */
  readonly reasons: readonly string[];
}

/** `options` as a hook gives them to its action `guard`. Throws a ConfigError. Validators are not asked. */
export function createCheck(options: unknown): (call: CheckedCall) => Checked {
  const parsed = parseConfig(config, options, 'guard');
  const assess = createAssess(parsed);
  return ({ tool, input, cwd }) => {
    const call: AgentCall = { ...NOBODYS, tool, input, cwd };
    const assessment = assessCall(call, assess, parsed);
    const { decision } = judgmentOf(assessment, parsed);
    const reasons = assessment.findings.map(({ risk, rule, reason }) => `${risk} ${rule}: ${reason}`);
    return { verdict: decision ?? 'allow', risk: assessment.risk, reasons };
  };
}

const NOBODYS: Omit<AgentCall, 'tool' | 'input' | 'cwd'> = {
  name: 'PreToolUse',
  dialect: '',
  session: '',
  agent: '',
  parentAgent: '',
  agentType: '',
  toolUseId: '',
  response: undefined,
  text: '',
  priority: 3,
  correlation: '',
  more: {},
  truncated: false,
  peer: NO_PEER,
};

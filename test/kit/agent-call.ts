import { type AgentCall, NO_PEER } from '#core';

/** What an agent is about to do, as its source hears it. */
export function callOf(parts: Partial<AgentCall>): AgentCall {
  return {
    name: 'PreToolUse',
    dialect: 'claude-code',
    session: 'session-1',
    agent: '',
    parentAgent: '',
    agentType: '',
    tool: 'Bash',
    toolUseId: 'toolu_1',
    input: {},
    response: undefined,
    cwd: '/home/dev/project',
    text: '',
    priority: 3,
    correlation: '',
    more: {},
    truncated: false,
    peer: NO_PEER,
    ...parts,
  };
}

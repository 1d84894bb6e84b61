/** Judges what an agent is about to run or write. Config, permissions and risks: ./README.md; what it is not: docs/guard.md. */
import { type AgentCall, commandOf, defineAction, type Infer, type Judgment, riskRank } from '#core';

import { config } from './config.ts';
import { type Assessment, createAssess } from './judge.ts';

/** Reasons that are said; the others are counted. */
const MAX_REASONS = 4;

export const guard = defineAction({
  type: 'guard',
  stability: 'experimental',
  config,
  create: (options) => {
    const assess = createAssess(options);
    const assessCall = (call: AgentCall): Assessment => {
      const { workspaces } = options;
      return assess(commandOf(call), { cwd: call.cwd, home: '/root', workspaces });
    };
    return {
      async handle() {
        return { status: 'delivered', detail: 'nobody waited any more' };
      },
      judge: ({ call }) => judgmentOf(assessCall(call), options),
    };
  },
});

export function judgmentOf({ risk, findings }: Assessment, { deny, ask, approve }: Infer<typeof config>): Judgment {
  const reaches = (threshold: typeof deny): boolean => threshold !== 'never' && riskRank(risk) >= riskRank(threshold);
  const decision = reaches(deny) ? 'deny' : reaches(ask) ? 'ask' : approve && risk === 'SAFE' ? 'allow' : null;
  return { decision, risk, reason: reasonOf(findings) };
}

function reasonOf(findings: Assessment['findings']): string {
  const said = findings.slice(0, MAX_REASONS).map(({ risk, rule, reason }) => `${risk} ${rule}: ${reason}`);
  const more = findings.length - said.length;
  return said.join('; ') + (more > 0 ? `; and ${more} more` : '');
}

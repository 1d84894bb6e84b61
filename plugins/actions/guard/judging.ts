/** The rules of the guard at work. It is loaded with the first hook that has one: rules and grammar are a third of the sidecar. */
import {
  type Action,
  type ActionContext,
  type AgentCall,
  commandOf,
  type Infer,
  type Judgment,
  type Question,
  riskRank,
  strictest,
} from '#core';

import { Cache } from './cache.ts';
import type { config } from './config.ts';
import { type Assessment, type Assess, assessed, createAssess, type Place, workspacesOf } from './judge.ts';
import type { Finding } from './shell/invocation.ts';
import { inspectTool, nestedCalls } from './tools.ts';
import { createValidator } from './validators.ts';

/** Reasons that are said; the others are counted. */
const MAX_REASONS = 4;
/** Events that come before something is done: after it, there is nothing left to judge. */
const BEFORE = new Set(['PreToolUse', 'PermissionRequest']);
const NO_OPINION: Judgment = { decision: null, reason: '' };

/** Throws a ConfigError for a pattern that is none. */
export function createJudge(options: Infer<typeof config>, context: ActionContext): NonNullable<Action['judge']> {
  const { cache: keepMs, cacheSize: size } = options;
  const cache = new Cache<Judgment>({ keepMs, size, now: () => context.clock.monotonic() });
  const assess = createAssess(options);
  const validators = options.validators.map((validator, index) => createValidator(validator, index, context));
  const judgeByRules = (call: AgentCall): Judgment => {
    const key = JSON.stringify([call.tool, call.cwd, call.input]);
    const known = cache.get(key);
    if (known) return { ...known, detail: 'from the cache' };
    const judgment = judgmentOf(assessCall(call, assess, options), options);
    cache.set(key, judgment);
    return judgment;
  };
  return (question: Question, asked) => {
    if (!BEFORE.has(question.call.name)) return NO_OPINION;
    const judgment = judgeByRules(question.call);
    if (validators.length === 0 || judgment.decision === 'deny') return judgment;
    return Promise.all(validators.map((validate) => validate(question, asked))).then((said) =>
      said.reduce(stricter, judgment),
    );
  };
}

/** Everything that is to be said of a call: its shell text, its path, its addresses, and those that lie deeper in its input. */
export function assessCall(
  call: AgentCall,
  assess: Assess,
  { workspaces, ignore }: Pick<Infer<typeof config>, 'workspaces' | 'ignore'>,
): Assessment {
  const home = homeOf(call.cwd);
  const place: Place = { cwd: call.cwd, home, workspaces: workspacesOf({ cwd: call.cwd, home, workspaces }) };
  const found: Finding[] = [];
  for (const each of [call, ...nestedCalls(call)]) {
    const command = commandOf(each);
    if (command !== '') found.push(...assess(command, place).findings);
    found.push(...inspectTool(each, place));
  }
  return assessed(found.filter(({ rule }) => !ignore.includes(rule)));
}

/** As far as the folder tells whose it is. */
function homeOf(cwd: string): string {
  return /^\/(?:home|Users)\/[^/]+/.exec(cwd)?.[0] ?? '/root';
}

export function judgmentOf({ risk, findings }: Assessment, { deny, ask, approve }: Thresholds): Judgment {
  const reaches = (threshold: Thresholds['deny']): boolean =>
    threshold !== 'never' && riskRank(risk) >= riskRank(threshold);
  const decision = reaches(deny) ? 'deny' : reaches(ask) ? 'ask' : approve && risk === 'SAFE' ? 'allow' : null;
  return { decision, risk, reason: reasonOf(findings) };
}

export type Thresholds = Pick<Infer<typeof config>, 'deny' | 'ask' | 'approve'>;

function reasonOf(findings: Assessment['findings']): string {
  const said = findings.slice(0, MAX_REASONS).map(({ risk, rule, reason }) => `${risk} ${rule}: ${reason}`);
  const more = findings.length - said.length;
  return said.join('; ') + (more > 0 ? `; and ${more} more` : '');
}

/** The rules' word and a validator's: what is stricter counts, both reasons are said. */
function stricter(rules: Judgment, said: Judgment): Judgment {
  const decision = strictest(rules.decision, said.decision);
  const reason = [rules.reason, said.reason].filter((text) => text !== '').join('; ');
  return { ...said, ...rules, decision, reason };
}

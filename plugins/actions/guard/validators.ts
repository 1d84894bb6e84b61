/** Judges of one's own, beside the rules: what fails denies (spec leanvibe L10, L11). */
import { type ActionContext, AppError, type Asked, errorText, type Infer, type Judgment, type Question } from '#core';

import { askEndpoint, askProgram, questionText } from '../../judges.ts';
import type { config } from './config.ts';

export type Validate = (question: Question, asked: Asked) => Promise<Judgment>;

type Validator = Infer<typeof config>['validators'][number];

/** Throws CONFIG_INVALID for a validator that is neither or both. */
export function createValidator(
  { command, url, timeout: timeoutMs }: Validator,
  index: number,
  { run, fetch }: Pick<ActionContext, 'run' | 'fetch'>,
): Validate {
  const [path = ''] = command ?? [];
  const name = command ? path : (url ?? '');
  if ((command === undefined) === (url === undefined))
    throw new AppError('CONFIG_INVALID', `guard: /validators/${index} needs either \`command\` or \`url\``);
  if (command && !path.startsWith('/'))
    throw new AppError(
      'CONFIG_INVALID',
      `guard: ${JSON.stringify(path)} in /validators/${index} is not an absolute path`,
    );
  const ask: Validate = command
    ? (question, { signal, deliveryId, hook }) => {
        const env = { PATH: '/usr/local/bin:/usr/bin:/bin', TROTLINE_DELIVERY_ID: deliveryId, TROTLINE_HOOK: hook };
        const program = {
          argv: command,
          shell: false,
          env,
          timeoutMs,
          directory: null,
          user: null,
          limits: {},
          cgroup: null,
        };
        return askProgram(run, program, question, { signal });
      }
    : (question, asked) => {
        const headers = new Headers({ 'content-type': 'application/json', 'idempotency-key': asked.deliveryId });
        return askEndpoint({ fetch }, { url: name, headers, timeoutMs }, questionText(question), asked);
      };
  return (question, asked) =>
    ask(question, asked).catch((error: unknown) => ({
      decision: 'deny',
      reason: `validator ${name} failed: ${errorText(error)}`,
    }));
}

/** Judges what an agent is about to run, write or fetch. Config, permissions and risks: ./README.md; what it is not: docs/guard.md. */
import { type Action, AppError, defineAction } from '#core';

import { nobodyWaits } from '../../judges.ts';
import { config } from './config.ts';

export const guard = defineAction({
  type: 'guard',
  stability: 'experimental',
  config,
  // Validators are programs, and of those a node runs so many at a time.
  places: ({ validators }) => (validators.some(({ command }) => command) ? { of: 'programs', count: 10 } : null),
  create: (options, context) => {
    let judge: Action['judge'];
    return {
      async start() {
        const { createJudge } = await import('./judging.ts');
        judge = createJudge(options, context);
      },
      handle: async (event) => nobodyWaits(event),
      judge(question, asked) {
        if (!judge) throw new AppError('STATE_ILLEGAL', 'the guard has not been started');
        return judge(question, asked);
      },
    };
  },
});

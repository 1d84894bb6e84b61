import type { AddressedAnswer, ClaimAnswer } from '#core';
import { encodeClaimAnswers } from '#proto';

import type { ClaimResponseOf } from './types.ts';

/** One response for each holder, its answers in their order. */
export function responsesTo(answers: readonly AddressedAnswer[]): ClaimResponseOf[] {
  const byHolder = new Map<string, ClaimAnswer[]>();
  for (const { holder, answer } of answers) {
    const own = byHolder.get(holder);
    if (own) own.push(answer);
    else byHolder.set(holder, [answer]);
  }
  return [...byHolder].map(([holder, own]) => ({ holder, response: encodeClaimAnswers(own) }));
}

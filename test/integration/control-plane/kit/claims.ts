/** Claims in the words of the domain: the store takes and gives bytes. */
import type { AddressedAnswer, ClaimOperation } from '#core';
import { ClaimRequest, ClaimResponse, convert } from '#proto';

import type { ClaimResponseOf, Store } from '../../../../control-plane/store/index.ts';

export interface HeldOperation {
  readonly holder: string;
  readonly operation: ClaimOperation;
}

/** One request for each, in order, all of one commit. */
export async function claim(store: Store, requests: readonly HeldOperation[]): Promise<AddressedAnswer[]> {
  const asked = requests.map(({ holder, operation }) => store.claim(holder, encoded(operation)));
  return (await Promise.all(asked)).flat().flatMap(answersOf);
}

export function answersOf({ holder, response }: ClaimResponseOf): AddressedAnswer[] {
  const { answers } = ClaimResponse.decode(response);
  return answers.map((answer) => ({ holder, answer: convert.claimAnswerFromProto(answer) }));
}

function encoded(operation: ClaimOperation): Uint8Array {
  const operations = [convert.claimOperationToProto(operation)];
  return ClaimRequest.encode({ sidecarId: '', operations }).finish();
}

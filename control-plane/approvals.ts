/** Verdicts that wait for a person: asked by sidecars, answered by people. */
import type { Store } from './store/index.ts';
import type { Approval, ApprovalQuery, ApprovalRequest, Settling } from './store/types.ts';

export class Approvals {
  readonly #store: Pick<Store, 'askApproval' | 'settleApproval' | 'approvals'>;
  /** By id: who is told of its end. */
  readonly #waiting = new Map<string, Set<(approval: Approval) => void>>();

  constructor(store: Pick<Store, 'askApproval' | 'settleApproval' | 'approvals'>) {
    this.#store = store;
  }

  list(query: ApprovalQuery): Promise<Approval[]> {
    return this.#store.approvals(query);
  }

  /** Resolves with how it ended, at the latest when its time is over; rejects when the signal aborts, which ends nothing. */
  async await(request: ApprovalRequest, signal: AbortSignal): Promise<Approval> {
    const asked = await this.#store.askApproval(request);
    if (asked.state !== 'pending') return asked;
    return this.#ended(asked, signal);
  }

  /** Throws NOT_FOUND and STATE_ILLEGAL. Whoever waits is told at once. */
  async settle(settling: Settling): Promise<Approval> {
    const settled = await this.#store.settleApproval(settling);
    for (const tell of this.#waiting.get(settled.id) ?? []) tell(settled);
    return settled;
  }

  #ended(asked: Approval, signal: AbortSignal): Promise<Approval> {
    const { id, expiresMs } = asked;
    return new Promise((resolve, reject) => {
      const waiting = this.#waiting.get(id) ?? new Set();
      const leave = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
        waiting.delete(tell);
        if (waiting.size === 0) this.#waiting.delete(id);
      };
      const tell = (approval: Approval): void => {
        leave();
        resolve(approval);
      };
      const abort = (): void => {
        leave();
        reject(signal.reason);
      };
      // The store writes down by itself that nobody answered.
      const timer = setTimeout(() => tell({ ...asked, state: 'expired' }), Math.max(0, expiresMs - Date.now()));
      waiting.add(tell);
      this.#waiting.set(id, waiting);
      signal.addEventListener('abort', abort, { once: true });
    });
  }
}

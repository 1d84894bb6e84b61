import type { HookResult } from './result.ts';

/** The hooks did not want it to happen, and it has not. */
export class HookDenied extends Error {
  override readonly name = 'HookDenied';
  /** What was to happen. */
  readonly tool: string;
  readonly result: HookResult;

  constructor(tool: string, result: HookResult) {
    const { decision, stop, reason, eventId } = result;
    const word = decision === 'deny' || decision === 'ask' ? decision : 'stop';
    const said = reason ?? stop ?? 'no reason given';
    super(`${tool} was not run: ${word}: ${said}${eventId === null ? '' : ` (event ${eventId})`}`);
    this.tool = tool;
    this.result = result;
  }
}

/** Judges that are programs or endpoints, asked in Claude Code's JSON while an agent waits (spec khook section 10, A2, A8). */
import {
  type ActionContext,
  type AgentCall,
  AppError,
  type Asked,
  type Connection,
  durationText,
  type Ended,
  errorText,
  type Judgment,
  type Program,
  type Question,
  type Result,
  type TrotlineEvent,
} from '#core';

import { claudeForm, claudeJudgment } from './claude-form.ts';
import { problemOf } from './http-answers.ts';

/** Exit code by which a program blocks, with its reason on stderr. */
const BLOCKS = 2;
const MAX_QUESTION_BYTES = 4 << 20;
const MAX_ANSWER_BYTES = 65_536;
const NO_OPINION: Judgment = { decision: null, reason: '' };
/** Events at which plain text of a program is for the agent. */
const TEXT_IS_CONTEXT = new Set(['UserPromptSubmit', 'SessionStart']);

/** The question as judges get it. Throws MESSAGE_INVALID for one that is too long to be asked. */
export function questionText({ call }: Question): string {
  const text = JSON.stringify(claudeForm(call));
  const bytes = Buffer.byteLength(text);
  if (bytes <= MAX_QUESTION_BYTES) return text;
  throw new AppError('MESSAGE_INVALID', `the question is ${bytes} bytes, at most ${MAX_QUESTION_BYTES} can be asked`);
}

/**
 * Asks a program in claude-command form: JSON on stdin; exit 0 with JSON (or nothing) on stdout, or exit 2 with the reason on
 * stderr. Throws for every other end: the judge is broken, it has neither allowed nor denied.
 */
export async function askProgram(
  run: ActionContext['run'],
  program: Omit<Program, 'stdin' | 'errorsApart'>,
  question: Question,
  { signal }: Pick<Asked, 'signal'>,
): Promise<Judgment> {
  const ended = await run({ ...program, stdin: questionText(question), errorsApart: true }, signal);
  signal.throwIfAborted();
  return programJudgment(ended, question.call);
}

/** What an end says (A2). Throws PEER_UNAVAILABLE and MESSAGE_INVALID for what says nothing. */
export function programJudgment(ended: Ended, { name }: Pick<AgentCall, 'name'>): Judgment {
  const { exitCode, signal, startError, timedOut, output, errorOutput, outputTruncated, durationMs } = ended;
  if (startError) throw broken(`not started: ${startError.syscall} ${startError.code}`);
  if (timedOut) throw broken(`timed out after ${Math.round(durationMs)} ms`);
  if (signal !== null) throw broken(`killed by ${signal}`);
  if (exitCode === BLOCKS) return blocked(output, errorOutput);
  if (exitCode !== 0) throw broken(`exit ${exitCode}${errorOutput === '' ? '' : `: ${firstLine(errorOutput)}`}`);
  if (outputTruncated) throw broken(`its answer is larger than ${MAX_ANSWER_BYTES} bytes`);
  const text = output.trim();
  if (text === '') return NO_OPINION;
  if (!text.startsWith('{')) return TEXT_IS_CONTEXT.has(name) ? { ...NO_OPINION, context: text } : NO_OPINION;
  return claudeJudgment(parsed(text));
}

/** JSON beside exit 2 may give the reason; it cannot make less of it (A3). */
function blocked(output: string, errorOutput: string): Judgment {
  const said = output.trim().startsWith('{') ? judgmentIn(output) : NO_OPINION;
  const { updatedInput: _, ...rest } = said;
  return { ...rest, decision: 'deny', reason: errorOutput.trim() || said.reason || 'blocked by exit 2' };
}

function judgmentIn(output: string): Judgment {
  try {
    return claudeJudgment(parsed(output));
  } catch {
    return NO_OPINION;
  }
}

export interface Endpoint {
  readonly url: string;
  readonly headers: Headers;
  readonly timeoutMs: number;
  readonly connection?: Connection;
}

/**
 * Asks an endpoint in the form of `type: http` hooks: a 2xx answer with JSON, or with nothing. Throws for every other answer, and
 * for none within the timeout.
 */
export async function askEndpoint(
  { fetch }: Pick<ActionContext, 'fetch'>,
  { url, headers, timeoutMs, connection }: Endpoint,
  body: string,
  { signal }: Pick<Asked, 'signal'>,
): Promise<Judgment> {
  const timeout = AbortSignal.timeout(timeoutMs);
  const init = {
    method: 'POST',
    headers,
    body,
    redirect: 'manual',
    signal: AbortSignal.any([signal, timeout]),
  } as const;
  try {
    const response = await fetch(url, connection === undefined ? init : { ...init, connection });
    const text = await boundedText(response);
    if (!response.ok) throw broken(`the endpoint answered ${response.status}`);
    return text.trim() === '' ? NO_OPINION : claudeJudgment(parsed(text));
  } catch (error) {
    signal.throwIfAborted();
    if (timeout.aborted) throw broken(`no answer in ${durationText(timeoutMs)}`);
    if (error instanceof AppError) throw error;
    throw broken(`endpoint not reached: ${problemOf(error)}`);
  }
}

async function boundedText({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.byteLength;
    if (size > MAX_ANSWER_BYTES) throw broken(`its answer is larger than ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new AppError('MESSAGE_INVALID', `its answer is no JSON: ${errorText(error)}`);
  }
}

function broken(why: string): AppError {
  return new AppError('PEER_UNAVAILABLE', why);
}

function firstLine(text: string): string {
  return text.trim().split('\n', 1)[0]?.slice(0, 500) ?? '';
}

/** What `handle` of a judge says: it is only there for what waits, and by now nobody does. */
export function nobodyWaits({ source, type }: Pick<TrotlineEvent, 'source' | 'type'>): Result {
  return source === 'agent'
    ? { status: 'delivered', detail: 'nobody waited any more' }
    : { status: 'rejected', reason: `${type} is no question of an agent, and only those are judged` };
}

/** `trotline hooks test --jsonl`: one answer for each line of expressions and events, so that others can check ours. */
import {
  AppError,
  type CompileCel,
  compileCondition,
  type Condition,
  errorText,
  type EventFields,
  FIELDS,
  FilterError,
  isObject,
  linesOf,
  loadCel,
  type Scalar,
} from '#core';

/** What became of all lines. */
export interface Answered {
  readonly answered: number;
  /** Lines that are no JSON, or whose parts are not what they should be; a refused expression is an answer. */
  readonly unreadable: number;
}

type Answer =
  | { readonly value: boolean; readonly failed?: string }
  | {
      readonly error: {
        readonly message: string;
        readonly at?: { readonly offset: number; readonly line: number; readonly column: number };
        /** Where more than an `expression` was given. */
        readonly in?: 'expression' | 'cel';
      };
    };

/** Answers each line as soon as it is there; goes on after lines that it cannot read, until the signal aborts: nobody reads any more. */
export async function answerLines(
  input: NodeJS.ReadableStream,
  out: (line: string) => void,
  signal: AbortSignal,
): Promise<Answered> {
  let answered = 0;
  let unreadable = 0;
  for await (const line of linesOf(input)) {
    if (signal.aborted) break;
    answered++;
    let answer: Answer;
    try {
      answer = answerTo(line, celOf(line) ? await loadCel() : null);
    } catch (error) {
      unreadable++;
      answer = { error: { message: `line ${answered}: ${errorText(error)}` } };
    }
    out(`${JSON.stringify(answer)}\n`);
  }
  return { answered, unreadable };
}

function celOf(line: string): boolean {
  return line.includes('"cel"');
}

function answerTo(line: string, compileCel: CompileCel | null): Answer {
  const given = parsed(line);
  const expression = textIn(given, 'expression');
  const cel = textIn(given, 'cel');
  if (expression === undefined && cel === undefined) throw invalid('has neither "expression" nor "cel"', 'one of them');
  const event = eventFrom(given.event ?? {});

  const outcomes: { value: boolean; failed?: string }[] = [];
  const parts = [
    ['expression', expression, compileCondition],
    ['cel', cel, compileCel],
  ] as const;
  for (const [name, text, compile] of parts) {
    if (text === undefined || compile === null) continue;
    const compiled = tried(() => compile(text));
    if (compiled instanceof FilterError) return { error: refusal(compiled, cel === undefined ? undefined : name) };
    const { failed } = name === 'cel' ? compiled.explain(event) : {};
    outcomes.push({ value: compiled.matches(event), ...(failed === undefined ? {} : { failed }) });
  }
  const failed = outcomes.find((outcome) => outcome.failed !== undefined)?.failed;
  return { value: outcomes.every(({ value }) => value), ...(failed === undefined ? {} : { failed }) };
}

function tried(compile: () => Condition): Condition | FilterError {
  try {
    return compile();
  } catch (error) {
    if (error instanceof FilterError) return error;
    throw error;
  }
}

function refusal({ message, offset, line, column }: FilterError, part: 'expression' | 'cel' | undefined) {
  return { message, at: { offset, line, column }, ...(part === undefined ? {} : { in: part }) };
}

function parsed(line: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(line, exactly);
  } catch (cause) {
    throw new AppError('USAGE', `is no JSON: ${errorText(cause)}`, { cause });
  }
  if (!isObject(value)) throw invalid('is no object', '{"expression": …, "event": {…}}');
  return value;
}

/** Integers beyond 2^53 keep their digits. */
function exactly(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value;
  return context?.source !== undefined && /^-?\d+$/.test(context.source) ? BigInt(context.source) : value;
}

function textIn(given: Record<string, unknown>, key: 'expression' | 'cel'): string | undefined {
  const value = given[key];
  if (value === undefined || typeof value === 'string') return value;
  throw invalid(`"${key}" is no text`, 'an expression');
}

/** Names of an event's own JSON form that conditions call otherwise. */
const ALIASES: ReadonlyMap<string, string> = new Map([
  ['messageType', 'message_type'],
  ['eventType', 'event_type'],
  ['time', 'timestamp'],
]);
const MOST_LEVELS = 8;

/**
 * An event in one of three forms, which may be mixed: fields by their names (`"netlink.link.mtu": 1500`), nested
 * (`"netlink": {"link": {"mtu": 1500}}`), and as `trotline events show -o json` prints one. Other keys are ignored.
 */
export function eventFrom(input: unknown): EventFields {
  if (!isObject(input)) throw invalid('"event" is no object', 'fields and their values');
  const own = isObject(input.event) ? input.event : input;
  const values = new Map<string, Scalar>();
  for (const [key, value] of Object.entries(own)) {
    if (key === 'attributes' && isObject(value)) collect(value, '', values, true);
    else collect({ [ALIASES.get(key) ?? key]: value }, '', values, ALIASES.has(key));
  }
  const text = (name: string) => basic(values, name, isText, '', 'a string');
  const number = (name: string) => basic(values, name, isNumber, 0, 'a number');
  return {
    interface: text('interface'),
    namespace: text('namespace'),
    messageType: number('message_type'),
    eventType: number('event_type'),
    time: number('timestamp'),
    sequence: number('sequence'),
    attributes: Object.fromEntries(values),
  };
}

/** Takes the values of known fields, however deep. `printed`: by us, so that large numbers and times came as text. */
function collect(from: Record<string, unknown>, prefix: string, values: Map<string, Scalar>, printed: boolean): void {
  for (const [key, value] of Object.entries(from)) {
    const name = `${prefix}${key}`;
    if (isObject(value)) {
      if (name.split('.').length < MOST_LEVELS) collect(value, `${name}.`, values, printed);
      continue;
    }
    const field = FIELDS.get(name);
    if (field === undefined || value === null) continue;
    if (
      typeof value !== 'string' &&
      typeof value !== 'number' &&
      typeof value !== 'bigint' &&
      typeof value !== 'boolean'
    )
      throw invalid(`event field "${name}" is a list`, 'text, a number or a truth value');
    values.set(name, printed && field.type === 'number' && typeof value === 'string' ? numberOf(value, name) : value);
  }
}

function numberOf(text: string, name: string): number | bigint {
  if (/^-?\d+$/.test(text)) return Number.isSafeInteger(Number(text)) ? Number(text) : BigInt(text);
  const time = Date.parse(text);
  if (Number.isNaN(time)) throw invalid(`event field "${name}" is ${JSON.stringify(text)}`, 'a number');
  return time;
}

function basic<T extends Scalar>(
  values: Map<string, Scalar>,
  name: string,
  isA: (value: Scalar) => value is T,
  missing: T,
  expected: string,
): T {
  const value = values.get(name);
  values.delete(name);
  if (value === undefined) return missing;
  if (isA(value)) return value;
  throw invalid(`event field "${name}" is a ${typeof value}`, expected);
}

function isText(value: Scalar): value is string {
  return typeof value === 'string';
}

function isNumber(value: Scalar): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint';
}

function invalid(message: string, expected: string): AppError {
  return new AppError('USAGE', `${message}, expected ${expected}`);
}

import { FilterError, printable, type Problem, Unreadable } from './errors.ts';
import { FIELDS, type Field, fieldNamed, nearestName } from './fields.ts';
import { compilePattern, PatternError, type TextTest } from './pattern.ts';
import { nextToken, type Sign, type Token } from './tokens.ts';
import type { Relation } from './values.ts';

/** Where a node stands in the text, `end` exclusive; parentheses around it are outside. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export type Literal = Span & { readonly kind: 'literal'; readonly value: string | number | bigint };
export type FieldNode = Span & { readonly kind: 'field'; readonly field: Field };
export type Comparison = Span & {
  readonly kind: 'comparison';
  readonly relation: Relation;
  readonly left: Node;
  readonly right: Node;
};
export type Match = Span & {
  readonly kind: 'match';
  readonly negated: boolean;
  readonly left: Node;
  readonly test: TextTest;
};
export type Membership = Span & {
  readonly kind: 'membership';
  readonly left: Node;
  readonly items: readonly (Literal | FieldNode)[];
};
export type Not = Span & { readonly kind: 'not'; readonly of: Node };
export type Junction = Span & { readonly kind: 'and' | 'or'; readonly of: readonly Node[] };
export type Node = Literal | FieldNode | Comparison | Match | Membership | Not | Junction;

/** The limits of nlmon A10.8. */
const MAX_BYTES = 64 * 1024;
const MAX_DEPTH = 256;
/** Names and patterns that are told of one condition. */
const MAX_PROBLEMS = 20;

const RELATIONS: ReadonlyMap<Sign | undefined, Relation> = new Map(
  (['==', '!=', '<', '<=', '>', '>='] as const).map((relation) => [relation, relation]),
);

/**
 * The tree of a condition (grammar: nlmon A2, A10.1). Throws FilterError; never runs out of stack. Yields where the event
 * loop may have a turn: after some hundred words and after each pattern.
 */
export function* parse(text: string): Generator<undefined, Node, undefined> {
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_BYTES) {
    throw new FilterError(text, {
      message: `condition has ${bytes} bytes`,
      offset: 0,
      expected: `at most 64 KiB (${MAX_BYTES} bytes)`,
    });
  }
  return yield* new Parser(text).condition();
}

/** Stands where a name is none; such a condition is never compiled. */
const NOTHING: Literal = { kind: 'literal', value: 0, start: 0, end: 0 };

/** Words between two turns of the event loop. */
const WORDS_A_TURN = 256;

type Steps<T> = Generator<undefined, T, undefined>;

class Parser {
  readonly #text: string;
  #token: Token = { kind: 'end', start: 0, end: 0 };
  /** End of the last token taken. */
  #end = 0;
  #depth = 0;
  /** Until the next turn. */
  #words = WORDS_A_TURN;
  /** Names and patterns that are none: what follows can still be read, so that all are told at once. */
  readonly #problems: Problem[] = [];

  constructor(text: string) {
    this.#text = text;
  }

  *condition(): Steps<Node> {
    let node: Node = NOTHING;
    try {
      this.#take();
      node = yield* this.#junction('or');
      if (this.#token.kind !== 'end') throw this.#unexpected('AND, OR or the end');
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      this.#problems.push(error.problem);
    }
    const [first, ...others] = this.#problems;
    if (first) throw new FilterError(this.#text, first, others);
    return node;
  }

  *#junction(kind: Junction['kind']): Steps<Node> {
    const start = this.#token.start;
    const first = kind === 'or' ? yield* this.#junction('and') : yield* this.#not();
    const of = [first];
    while (this.#takes(kind === 'or' ? 'OR' : 'AND')) {
      if (this.#wantsTurn()) yield;
      of.push(kind === 'or' ? yield* this.#junction('and') : yield* this.#not());
    }
    return of.length === 1 ? first : { kind, of, start, end: this.#end };
  }

  *#not(): Steps<Node> {
    const start = this.#token.start;
    if (this.#sign() !== 'NOT') return yield* this.#comparison();
    this.#enter();
    const of = yield* this.#not();
    this.#depth--;
    return { kind: 'not', of, start, end: this.#end };
  }

  *#comparison(): Steps<Node> {
    const start = this.#token.start;
    const left = yield* this.#operand();
    if (this.#takes('IN')) {
      const items = yield* this.#list();
      return { kind: 'membership', left, items, start, end: this.#end };
    }
    const negated = this.#takes('!~');
    if (negated || this.#takes('=~')) {
      const test = this.#pattern();
      return { kind: 'match', negated, left, test, start, end: this.#end };
    }
    const relation = RELATIONS.get(this.#sign());
    if (relation === undefined) return left;
    this.#take();
    const right = yield* this.#operand();
    return { kind: 'comparison', relation, left, right, start, end: this.#end };
  }

  *#operand(): Steps<Node> {
    if (this.#sign() !== '(') return this.#simple('a field, a string, a number or (');
    const { start } = this.#token;
    this.#enter();
    const node = yield* this.#junction('or');
    this.#depth--;
    if (this.#takes(')')) return node;
    if (this.#token.kind === 'end') {
      throw this.#problem({ message: 'parenthesis is not closed', offset: start, expected: 'a closing )' });
    }
    throw this.#unexpected('AND, OR or )');
  }

  #simple(expected: string): Literal | FieldNode {
    const token = this.#token;
    if (token.kind === 'literal') {
      this.#take();
      return token;
    }
    if (token.kind !== 'name') throw this.#unexpected(expected);
    const field = fieldNamed(token.name);
    if (field === undefined) this.#note(this.#unknownField(token.name));
    this.#take();
    if (field === undefined) return { ...NOTHING, start: token.start, end: token.end };
    return { kind: 'field', field, start: token.start, end: token.end };
  }

  *#list(): Steps<(Literal | FieldNode)[]> {
    const { start } = this.#token;
    if (!this.#takes('[')) throw this.#unexpected('a list in [ ] after IN');
    const items: (Literal | FieldNode)[] = [];
    while (!this.#takes(']')) {
      if (this.#token.kind === 'end') {
        throw this.#problem({ message: 'list is not closed', offset: start, expected: 'a closing ]' });
      }
      items.push(this.#simple('a field, a string, a number or ]'));
      this.#takes(',');
      if (this.#wantsTurn()) yield;
    }
    return items;
  }

  #pattern(): TextTest {
    const token = this.#token;
    if (token.kind !== 'literal' || typeof token.value !== 'string') {
      throw this.#unexpected('a regular expression as a string');
    }
    try {
      return compilePattern(token.value);
    } catch (cause) {
      if (!(cause instanceof PatternError)) throw cause;
      const message = `bad pattern: ${cause.message}`;
      this.#note(this.#problem({ message, expected: 'a regular expression in RE2 syntax' }));
      return () => false;
    } finally {
      this.#words = 0;
      this.#take();
    }
  }

  #wantsTurn(): boolean {
    if (this.#words > 0) return false;
    this.#words = WORDS_A_TURN;
    return true;
  }

  #note({ problem }: Unreadable): void {
    if (this.#problems.length < MAX_PROBLEMS) this.#problems.push(problem);
  }

  #sign(): Sign | undefined {
    return this.#token.kind === 'sign' ? this.#token.sign : undefined;
  }

  #take(): void {
    this.#words--;
    this.#end = this.#token.end;
    this.#token = nextToken(this.#text, this.#end);
  }

  #takes(sign: Sign): boolean {
    if (this.#sign() !== sign) return false;
    this.#take();
    return true;
  }

  /** Takes a token that opens a level. */
  #enter(): void {
    this.#depth++;
    if (this.#depth > MAX_DEPTH) {
      const expected = `at most ${MAX_DEPTH} levels of parentheses and NOT`;
      throw this.#problem({ message: 'condition is nested too deeply', expected });
    }
    this.#take();
  }

  #unexpected(expected: string): Unreadable {
    const { start, end, kind } = this.#token;
    const shown = end - start > 40 ? `${this.#text.slice(start, start + 40)}…` : this.#text.slice(start, end);
    return this.#problem({ message: kind === 'end' ? 'unexpected end' : `unexpected ${printable(shown)}`, expected });
  }

  #unknownField(name: string): Unreadable {
    const nearest = nearestName(name);
    const meant = nearest === undefined ? '' : ` (did you mean ${nearest}?)`;
    const shown = name.length > 64 ? `${name.slice(0, 64)}…` : name;
    const expected = `one of the known fields: ${[...FIELDS.keys()].join(', ')}`;
    return this.#problem({ message: `unknown field ${shown}${meant}`, expected });
  }

  /** An error at the current token, if no other offset is given. */
  #problem(problem: Omit<Problem, 'offset'> & { offset?: number }): Unreadable {
    const { start, end } = this.#token;
    return new Unreadable({ offset: start, length: problem.offset === undefined ? end - start : 1, ...problem });
  }
}

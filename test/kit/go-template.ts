/** The part of Go's text/template that our chart uses (https://pkg.go.dev/text/template); `npm run e2e:cluster` holds it against the real one. */

export type Value = unknown;
type Func = (...args: readonly Value[]) => Value;

type Expression =
  | { readonly kind: 'literal'; readonly value: Value }
  | { readonly kind: 'path'; readonly from: Expression | string | null; readonly names: readonly string[] }
  | { readonly kind: 'call'; readonly callee: Expression | string; readonly args: readonly Expression[] };

type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'print'; readonly value: Expression }
  | { readonly kind: 'set'; readonly name: string; readonly declares: boolean; readonly value: Expression }
  | {
      readonly kind: 'block';
      readonly word: 'if' | 'with' | 'range';
      readonly value: Expression;
      yes: Node[];
      no: Node[];
    };

/** Templates of several files, which share what they define. */
export class GoTemplates {
  readonly #defined = new Map<string, Node[]>();
  readonly #functions: Readonly<Record<string, Func>>;

  constructor(functions: Readonly<Record<string, Func>>) {
    this.#functions = { ...functions, include: (name, dot) => this.#run(this.#named(String(name)), dot) };
  }

  /** Reads a file and keeps what it defines. */
  parse(text: string): Node[] {
    const parser = new Parser(text);
    const nodes = parser.nodes();
    for (const [name, body] of parser.defined) this.#defined.set(name, body);
    return nodes;
  }

  execute(nodes: readonly Node[], dot: Value): string {
    return this.#run(nodes, dot);
  }

  #named(name: string): Node[] {
    const nodes = this.#defined.get(name);
    if (!nodes) throw new Error(`template "${name}" is not defined`);
    return nodes;
  }

  #run(nodes: readonly Node[], dot: Value): string {
    return this.#render(nodes, dot, new Scope(null, [['$', dot]]));
  }

  #render(nodes: readonly Node[], dot: Value, scope: Scope): string {
    return nodes.map((node) => this.#one(node, dot, scope)).join('');
  }

  #one(node: Node, dot: Value, scope: Scope): string {
    switch (node.kind) {
      case 'text':
        return node.text;
      case 'print':
        return printed(this.#value(node.value, dot, scope));
      case 'set':
        scope.set(node.name, this.#value(node.value, dot, scope), node.declares);
        return '';
      default:
        return this.#block(node, dot, scope);
    }
  }

  #block(node: Extract<Node, { kind: 'block' }>, dot: Value, scope: Scope): string {
    const value = this.#value(node.value, dot, scope);
    const inner = (): Scope => new Scope(scope);
    if (!isTrue(value)) return this.#render(node.no, dot, inner());
    if (node.word === 'if') return this.#render(node.yes, dot, inner());
    if (node.word === 'with') return this.#render(node.yes, value, inner());
    const items: readonly Value[] = Array.isArray(value) ? value : [];
    return items.map((item) => this.#render(node.yes, item, inner())).join('');
  }

  #value(expression: Expression, dot: Value, scope: Scope): Value {
    switch (expression.kind) {
      case 'literal':
        return expression.value;
      case 'path': {
        const { from, names } = expression;
        const start = from === null ? dot : typeof from === 'string' ? scope.get(from) : this.#value(from, dot, scope);
        return names.reduce(fieldOf, start);
      }
      default: {
        const args = expression.args.map((arg) => this.#value(arg, dot, scope));
        const { callee } = expression;
        const called = typeof callee === 'string' ? this.#functions[callee] : this.#value(callee, dot, scope);
        if (typeof called !== 'function') {
          if (args.length === 0 && typeof callee !== 'string') return called;
          throw new Error(`${JSON.stringify(callee)} is no function of this renderer`);
        }
        return (called as Func)(...args);
      }
    }
  }
}

class Scope {
  readonly #parent: Scope | null;
  readonly #variables: Map<string, Value>;

  constructor(parent: Scope | null, variables: readonly (readonly [string, Value])[] = []) {
    this.#parent = parent;
    this.#variables = new Map(variables);
  }

  get(name: string): Value {
    if (this.#variables.has(name)) return this.#variables.get(name);
    if (!this.#parent) throw new Error(`variable ${name} is not declared`);
    return this.#parent.get(name);
  }

  set(name: string, value: Value, declares: boolean): void {
    if (declares || this.#variables.has(name)) this.#variables.set(name, value);
    else if (this.#parent) this.#parent.set(name, value, false);
    else throw new Error(`variable ${name} is not declared`);
  }
}

const ACTION = /\{\{(-(?=\s))?([^]*?)((?<=\s)-)?\}\}/g;
const TOKEN = /\s*("(?:[^"\\]|\\.)*"|`[^`]*`|-?\d+(?:\.\d+)?|:=|[()|=]|\$?\w*(?:\.\w+)+|\$\w*|\.|\w+)/y;

class Parser {
  readonly defined = new Map<string, Node[]>();
  readonly #parts: (string | { readonly action: string })[] = [];
  #at = 0;

  constructor(text: string) {
    let from = 0;
    let trim = false;
    for (const found of text.matchAll(ACTION)) {
      const before = text.slice(from, found.index);
      const left = trim ? before.trimStart() : before;
      this.#parts.push(found[1] ? left.trimEnd() : left);
      const action = found[2]?.trim() ?? '';
      if (!action.startsWith('/*')) this.#parts.push({ action });
      trim = found[3] !== undefined;
      from = found.index + found[0].length;
    }
    const rest = text.slice(from);
    this.#parts.push(trim ? rest.trimStart() : rest);
  }

  nodes(): Node[] {
    const nodes = this.#until([]);
    if (this.#at < this.#parts.length) throw new Error('end without a beginning');
    return nodes;
  }

  /** Up to an action that begins with one of these words, which stays to be read. */
  #until(words: readonly string[]): Node[] {
    const nodes: Node[] = [];
    for (; this.#at < this.#parts.length; this.#at++) {
      const part = this.#parts[this.#at] ?? '';
      if (typeof part === 'string') {
        nodes.push({ kind: 'text', text: part });
        continue;
      }
      const [word = ''] = part.action.split(/\s/, 1);
      if (words.includes(word)) return nodes;
      if (word === 'end' || word === 'else') return nodes;
      const node = this.#action(word, part.action);
      if (node) nodes.push(node);
    }
    return nodes;
  }

  #action(word: string, action: string): Node | null {
    if (word === 'define') {
      this.#at++;
      this.defined.set(JSON.parse(action.slice('define'.length)) as string, this.#until(['end']));
      return null;
    }
    if (word === 'if' || word === 'with' || word === 'range') {
      this.#at++;
      return this.#block(word, action.slice(word.length));
    }
    const set = /^(\$\w+)\s*(:?=)([^]*)$/.exec(action);
    if (set) return { kind: 'set', name: set[1] ?? '', declares: set[2] === ':=', value: pipeline(set[3] ?? '') };
    return { kind: 'print', value: pipeline(action) };
  }

  #block(word: 'if' | 'with' | 'range', condition: string): Node {
    const node: Node = {
      kind: 'block',
      word,
      value: pipeline(condition),
      yes: this.#until(['else', 'end']),
      no: [],
    };
    const part = this.#parts[this.#at];
    const action = typeof part === 'object' ? part.action : '';
    if (action.startsWith('else')) {
      this.#at++;
      const chained = /^else\s+if\s([^]*)$/.exec(action);
      if (chained) node.no = [this.#block('if', chained[1] ?? '')];
      else node.no = this.#until(['end']);
    }
    return node;
  }
}

/** A pipeline: what stands before a bar is the last argument of what follows. */
function pipeline(text: string): Expression {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  const end = text.trimEnd().length;
  while (TOKEN.lastIndex < end) {
    const found = TOKEN.exec(text);
    if (!found) throw new Error(`cannot read ${text}`);
    const token = found[1] ?? '';
    // A field of what the parenthesis gave stands right behind it; with a space between, it is an operand.
    const isField = token.startsWith('.') && text[found.index] === '.' && text[found.index - 1] === ')';
    tokens.push(isField ? `)${token}` : token);
  }
  const value = piped(tokens);
  if (tokens.length > 0) throw new Error(`${tokens.join(' ')} is left of ${text}`);
  return value;
}

function piped(tokens: string[]): Expression {
  let value = command(tokens, []);
  while (tokens[0] === '|') {
    tokens.shift();
    value = command(tokens, [value]);
  }
  return value;
}

function command(tokens: string[], last: readonly Expression[]): Expression {
  const [head, ...args] = operands(tokens);
  if (head === undefined) throw new Error('an empty command');
  const all = [...args, ...last];
  if (typeof head === 'string') return { kind: 'call', callee: head, args: all };
  return all.length === 0 ? head : { kind: 'call', callee: head, args: all };
}

function operands(tokens: string[]): (Expression | string)[] & Expression[] {
  const found: (Expression | string)[] = [];
  while (tokens.length > 0 && tokens[0] !== ')' && tokens[0] !== '|') found.push(operand(tokens, found.length === 0));
  return found as (Expression | string)[] & Expression[];
}

function operand(tokens: string[], isHead: boolean): Expression | string {
  const token = tokens.shift() ?? '';
  if (token === '(') {
    const inner = piped(tokens);
    if (tokens.shift() !== ')') throw new Error('a parenthesis is not closed');
    if (tokens[0]?.startsWith(').'))
      return { kind: 'path', from: inner, names: namesOf(tokens.shift()?.slice(1) ?? '') };
    return inner;
  }
  if (token.startsWith('"')) return { kind: 'literal', value: JSON.parse(token) };
  if (token.startsWith('`')) return { kind: 'literal', value: token.slice(1, -1) };
  if (/^-?\d/.test(token)) return { kind: 'literal', value: Number(token) };
  if (token === 'true' || token === 'false') return { kind: 'literal', value: token === 'true' };
  if (token.startsWith('$')) {
    const [variable = '', ...names] = token.split('.');
    return { kind: 'path', from: variable, names };
  }
  if (token.startsWith('.')) return { kind: 'path', from: null, names: namesOf(token) };
  return isHead ? token : { kind: 'call', callee: token, args: [] };
}

function namesOf(path: string): string[] {
  return path.split('.').filter((name) => name !== '');
}

function fieldOf(value: Value, name: string): Value {
  if (typeof value !== 'object' || value === null) return undefined;
  const found: Value = Reflect.get(value, name);
  return typeof found === 'function' ? found.bind(value) : found;
}

/** The empty values are false, 0, nil, and what has no length. */
export function isTrue(value: Value): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (typeof value === 'object' && value !== null) return Object.keys(value).length > 0;
  return Boolean(value);
}

function printed(value: Value): string {
  if (typeof value === 'object' && value !== null) throw new Error(`cannot print ${JSON.stringify(value)}`);
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}

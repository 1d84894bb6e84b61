/**
 * Runs shell text without running anything: every branch, every loop's body, every substitution, with the values that the text
 * itself gives to its variables. What each command would do is told by its handler.
 */
import {
  type Assignment,
  type Case,
  type Command,
  type CommandNode,
  type CompoundList,
  type For,
  forEachChild,
  type If,
  parse,
  type ParsedScript,
  type PipelineNode,
  type Redirection,
  type Select,
  type Statement,
  type SyntaxNode,
} from 'unbash';

import type { Risk } from '#core';

import { assign, assignedText, isEndless, multiplies, multipliesIn } from './assignments.ts';
import type { Finding, Handler, Host, How, Invocation, TextParts } from './invocation.ts';
import { DOWNLOAD, HOLE, isOpaque, marksOf, NAME, showsSecrets, shown, unmarked } from './marks.ts';
import { absolute, joined, nameOf, requoted } from './names.ts';
import {
  programOf,
  wordOf,
  tellEndless,
  tellEnvironment,
  tellErrors,
  tellOpaqueCommand,
  tellOpaqueText,
  tellPattern,
  tellRedirected,
} from './opaque.ts';
import { type FunctionBody, Scope, UNFINISHED } from './scope.ts';
import { type Expanding, fieldsOf, textOfParts, textOfWord } from './words.ts';

const MAX_COMMANDS = 3000;
const MAX_DEPTH = 16;
const MAX_TEXT = 262_144;
/** Values of a loop's variable that are tried. */
const MAX_TURNS = 40;

export interface RunOptions {
  readonly cwd: string;
  readonly home: string;
  readonly workspaces: readonly string[];
  readonly handlerOf: (name: string) => Handler | undefined;
  /** Told of every redirection that writes. */
  readonly onWrite: (path: string, from: Invocation, host: Host, content: string) => void;
  /** What a file holds that a command or redirection reads; undefined: nobody knows. */
  readonly read: (path: string, scope: Scope) => string;
}

const PLAIN: How = { privileged: false, elsewhere: null };

/** Everything that is to be said of a text. */
export function inspect(text: string, options: RunOptions): readonly Finding[] {
  const run = new Run(options);
  run.script(text);
  return run.findings;
}

class Run implements Host {
  readonly #options: RunOptions;
  readonly #findings = new Map<string, Finding>();
  #commands = 0;
  #depth = 0;
  #substitutions = 0;
  /** `>( )` by the path that stands for it. */
  readonly #sinks = new Map<string, ParsedScript>();

  constructor(options: RunOptions) {
    this.#options = options;
  }

  get findings(): readonly Finding[] {
    return [...this.#findings.values()];
  }

  get workspaces(): readonly string[] {
    return this.#options.workspaces;
  }

  find(risk: Risk, rule: string, reason: string): void {
    this.#findings.set(`${risk} ${rule} ${reason}`, { risk, rule, reason });
  }

  script(text: string): void {
    const { cwd, home } = this.#options;
    const printed = this.#text(unmarked(text), new Scope({ cwd, home }), '', PLAIN);
    if (showsSecrets(printed)) this.find('MEDIUM', 'read-secret', 'shows keys, tokens or passwords');
  }

  run(argv: readonly string[], from: Invocation, how: Partial<How> = {}, stdin: string = from.stdin): string {
    return this.#start(argv, from.scope, stdin, { ...from.how, ...how });
  }

  runText(text: string, from: Invocation, parts: Partial<TextParts> = {}): string {
    const { how = {}, stdin = '', parameters = null, same = false } = parts;
    const scope = same ? from.scope : new Scope(from.scope);
    if (!same || parameters !== null) scope.parameters = parameters;
    if (how.elsewhere !== undefined && how.elsewhere !== null) scope.cwd = HOLE;
    return this.#text(text, scope, stdin, { ...from.how, ...how });
  }

  #text(text: string, scope: Scope, stdin: string, how: How): string {
    if (text.length > MAX_TEXT) {
      this.find('HIGH', 'too-long', `${text.length} characters of shell text, at most ${MAX_TEXT} are read`);
      return HOLE;
    }
    if (isOpaque(text.trim()) && !/[a-z]/i.test(text)) return tellOpaqueText(text, this);
    if (this.#depth >= MAX_DEPTH) {
      this.find('HIGH', 'too-deep', `shell text inside of shell text, ${MAX_DEPTH} times`);
      return HOLE;
    }
    this.#depth++;
    try {
      const script = parse(text);
      tellErrors(script, text, this);
      return this.#statements(script.commands, scope, stdin, how);
    } finally {
      this.#depth--;
    }
  }

  #statements(statements: readonly Statement[], scope: Scope, stdin: string, how: How): string {
    let output = '';
    for (const { command, background } of statements) {
      if (background === true && /^"?\$\{?0\}?"?$/.test(wordOf(command))) tellEndless(this);
      const own = background === true ? new Scope(scope) : scope;
      output = joined(output, this.#node(command, own, stdin, how));
    }
    return output;
  }

  #list({ commands }: CompoundList, scope: Scope, stdin: string, how: How): string {
    return this.#statements(commands, scope, stdin, how);
  }

  #node(node: PipelineNode | Statement['command'], scope: Scope, stdin: string, how: How): string {
    if (this.#commands++ > MAX_COMMANDS) {
      this.find('HIGH', 'too-long', `more than ${MAX_COMMANDS} commands`);
      return HOLE;
    }
    switch (node.type) {
      case 'AndOr': {
        let output = '';
        for (const each of node.commands) output = joined(output, this.#node(each, scope, stdin, how));
        return output;
      }
      case 'Pipeline': {
        let piped = stdin;
        for (const each of node.commands) piped = this.#node(each, new Scope(scope), piped, how);
        return piped;
      }
      default:
        return this.#command(node, scope, stdin, how);
    }
  }

  #command(node: CommandNode, scope: Scope, stdin: string, how: How): string {
    switch (node.type) {
      case 'Command':
        return this.#choose(node, scope, stdin, how);
      case 'Redirected': {
        const input = this.#input(node.redirects, scope, stdin, how);
        const output = this.#command(node.command, scope, input, how);
        return this.#output(node.redirects, output, { scope, how, name: '', path: '', args: [], stdin });
      }
      case 'Function':
        this.#define(node.name.value, node.body, scope);
        return '';
      case 'Coproc':
        if (/^(nc|ncat|netcat|socat|openssl|telnet)$/.test(programOf(node.body)))
          this.find('HIGH', 'tunnel', 'keeps a connection to the network open beside the shell');
        return this.#body(node.body, new Scope(scope), stdin, how);
      default:
        return this.#compound(node, scope, stdin, how);
    }
  }

  #body(body: FunctionBody | Command, scope: Scope, stdin: string, how: How): string {
    return body.type === 'CompoundList' ? this.#list(body, scope, stdin, how) : this.#command(body, scope, stdin, how);
  }

  #compound(
    node: Exclude<CommandNode, { type: 'Command' | 'Redirected' | 'Function' | 'Coproc' }>,
    scope: Scope,
    stdin: string,
    how: How,
  ): string {
    switch (node.type) {
      case 'Subshell':
        return this.#list(node.body, new Scope(scope), stdin, how);
      case 'BraceGroup':
        return this.#list(node.body, scope, stdin, how);
      case 'If':
        return this.#if(node, scope, stdin, how);
      case 'For':
      case 'Select':
        return this.#for(node, scope, stdin, how);
      case 'ArithmeticFor':
        if (node.test === undefined && multipliesIn(node.body)) tellEndless(this);
        return this.#list(node.body, scope, stdin, how);
      case 'While':
        if (isEndless(node.clause) && multipliesIn(node.body)) tellEndless(this);
        return this.#while(node.clause, node.body, scope, stdin, how);
      case 'Case':
        return this.#case(node, scope, stdin, how);
      default:
        this.#expandAll(node, scope, how);
        return '';
    }
  }

  /** Tests start nothing, but the substitutions in them do. */
  #expandAll(node: SyntaxNode, scope: Scope, how: How): void {
    const on = this.#expanding(scope, how);
    const walk = (child: SyntaxNode): void => {
      if (child.type === 'Word') fieldsOf(child, on);
      else if (child.type === 'CommandExpansion' || child.type === 'ArithmeticCommandExpansion')
        on.output(child.script);
      else forEachChild(child, walk);
    };
    forEachChild(node, walk);
  }

  #if(node: If, scope: Scope, stdin: string, how: How): string {
    let output = this.#list(node.clause, scope, stdin, how);
    const branches = [node.then, ...node.elif.map(({ then }) => then), ...(node.else ? [node.else] : [])];
    for (const { clause } of node.elif) output = joined(output, this.#list(clause, scope, stdin, how));
    return joined(output, this.#branches(branches, scope, stdin, how, node.else === undefined));
  }

  #case(node: Case, scope: Scope, stdin: string, how: How): string {
    fieldsOf(node.word, this.#expanding(scope, how));
    return this.#branches(
      node.items.map(({ body }) => body),
      scope,
      stdin,
      how,
      true,
    );
  }

  /** Each branch as if it were taken; what they leave in variables is kept as alternatives. */
  #branches(branches: readonly CompoundList[], scope: Scope, stdin: string, how: How, mayPass: boolean): string {
    let output = '';
    const ends: Scope[] = mayPass ? [new Scope(scope)] : [];
    for (const branch of branches) {
      const own = new Scope(scope);
      output = joined(output, this.#list(branch, own, stdin, how));
      ends.push(own);
    }
    scope.adopt(ends);
    return output;
  }

  #for(node: For | Select, scope: Scope, stdin: string, how: How): string {
    const on = this.#expanding(scope, how);
    const values = node.wordlist?.flatMap((word) => fieldsOf(word, on)) ?? scope.get('@');
    let output = '';
    const turns = values.length > MAX_TURNS ? [...values.slice(0, MAX_TURNS - 1), values.at(-1) ?? ''] : values;
    for (const value of turns) {
      scope.set(node.name.value, [value]);
      output = joined(output, this.#list(node.body, scope, stdin, how));
    }
    return output;
  }

  /** `while read x`: a turn for each line that is known. */
  #while(clause: CompoundList, body: CompoundList, scope: Scope, stdin: string, how: How): string {
    const reads = clause.commands.some(({ command }) => command.type === 'Command' && command.name?.value === 'read');
    const lines = reads ? [...new Set(stdin.replace(/\n$/, '').split('\n'))].slice(0, MAX_TURNS) : [stdin];
    let output = '';
    for (const line of lines) {
      this.#list(clause, scope, line, how);
      output = joined(output, this.#list(body, scope, reads ? stdin : line, how));
    }
    return output;
  }

  #define(name: string, body: FunctionBody, scope: Scope): void {
    scope.functions.set(name, body);
    if (multiplies(name, body)) this.find('CRITICAL', 'fork-bomb', `function ${shown(name)} starts itself without end`);
  }

  /** A command once for each value that its variables may have. */
  #choose(node: Command, scope: Scope, stdin: string, how: How): string {
    if (scope.alternatives.size === 0) return this.#simple(node, scope, stdin, how);
    const text = [node.name, ...node.args].map((word) => word?.text ?? '').join(' ');
    const used = [...scope.alternatives].filter(([name]) => text.includes(`$${name}`) || text.includes(`{${name}`));
    let choices: ReadonlyMap<string, readonly string[]>[] = [new Map()];
    for (const [name, values] of used.slice(0, 3))
      choices = choices.flatMap((choice) => values.map((value) => new Map([...choice, [name, value]])));
    let output = '';
    for (const choice of choices.slice(0, 27)) {
      for (const [name, value] of choice) scope.variables.set(name, value);
      output = joined(output, this.#simple(node, scope, stdin, how));
    }
    return output;
  }

  #simple(node: Command, scope: Scope, stdin: string, how: How): string {
    const on = this.#expanding(scope, how);
    const input = this.#input(node.redirects, scope, stdin, how);
    const assignments = node.prefix.filter((part): part is Assignment => part.type === 'Assignment');
    if (node.name === undefined) {
      for (const assignment of assignments) assign(assignment, scope, on);
      const nobody = { scope, how, name: '', path: '', args: [], stdin: input };
      for (const { name } of assignments) tellEnvironment(name, nobody, this);
      // `$(< file)`
      return this.#output(node.redirects, node.redirects.some(({ operator }) => operator === '<') ? input : '', nobody);
    }
    const own = assignments.length > 0 ? new Scope(scope) : scope;
    for (const assignment of assignments) assign(assignment, own, on);
    const args = node.args.flatMap((arg) =>
      arg.type === 'Assignment' ? [`${arg.name}=${assignedText(arg, on)}`] : fieldsOf(arg, on),
    );
    const argv = [...fieldsOf(node.name, on), ...args];
    if (argv.length === 0) return '';
    const output = this.#start(argv, own, input, how, assignments);
    if (own !== scope) scope.cwd = own.cwd;
    const [path = '', ...rest] = argv;
    return this.#output(node.redirects, output, { scope, how, name: nameOf(path), path, args: rest, stdin: input });
  }

  /** A program, function or builtin with its arguments. */
  #start(
    argv: readonly string[],
    scope: Scope,
    stdin: string,
    how: How,
    assignments: readonly Assignment[] = [],
  ): string {
    const [path = '', ...args] = argv;
    if (this.#commands++ > MAX_COMMANDS) {
      this.find('HIGH', 'too-long', `more than ${MAX_COMMANDS} commands`);
      return HOLE;
    }
    const body = scope.functions.get(path);
    if (body) return this.#call(path, body, args, scope, stdin, how);
    const alias = scope.aliases.get(path);
    if (alias !== undefined && !scope.calls.includes(`alias ${path}`)) {
      const inner = new Scope(scope, [...scope.calls, `alias ${path}`]);
      return this.#text(`${alias} ${args.map(requoted).join(' ')}`, inner, stdin, how);
    }
    const name = nameOf(path);
    const invocation: Invocation = { name, path, args, stdin, scope, how };
    // `rm -rf`, a line break, `/`: no shell would join them, whoever hands the text on may.
    if (args.length === 0 && scope.aliases.has(UNFINISHED) && path.startsWith('/'))
      return this.#start([scope.aliases.get(UNFINISHED) ?? '', '-r', path], scope, stdin, how);
    if (isOpaque(name) || name.includes(NAME)) return tellOpaqueCommand(path, this);
    if (/[*?[]/.test(name) && name !== '[' && name !== '[[') tellPattern(path, this);
    const written = this.#written(path, scope);
    if (written !== undefined) return this.#text(written, new Scope(scope), stdin, how);
    for (const { name: variable } of assignments) tellEnvironment(variable, invocation, this);
    // What a program prints for the shell to complete its words is its own.
    if (/^completions?$/.test(args[0] ?? '') && /^(bash|zsh|fish)$/.test(args[1] ?? '')) return NAME;
    return this.#options.handlerOf(name)?.(invocation, this) ?? HOLE + marksOf(stdin);
  }

  /** A file that this very text has written. */
  #written(path: string, scope: Scope): string | undefined {
    if (!path.includes('/')) return undefined;
    const whole = absolute(path, scope);
    const content = scope.files.get(whole);
    if (content !== undefined) return content === '' ? undefined : content;
    for (let folder = whole; folder.includes('/'); folder = folder.slice(0, folder.lastIndexOf('/')))
      if (scope.files.get(`${folder}/`) === DOWNLOAD) return DOWNLOAD;
    return undefined;
  }

  #call(name: string, body: FunctionBody, args: readonly string[], scope: Scope, stdin: string, how: How): string {
    if (scope.calls.filter((call) => call === name).length > 1 || scope.calls.length > MAX_DEPTH) return HOLE;
    const inner = new Scope(scope, [...scope.calls, name]);
    inner.parameters = args;
    const output = this.#body(body, inner, stdin, how);
    scope.cwd = inner.cwd;
    for (const [variable, value] of inner.variables) scope.variables.set(variable, value);
    for (const [other, found] of inner.functions) scope.functions.set(other, found);
    return output;
  }

  #expanding(scope: Scope, how: How): Expanding {
    return {
      scope,
      output: (script) => (script ? this.#substituted(script, scope, how) : HOLE),
      substitute: (script, operator) => {
        const path = `/dev/fd/s${++this.#substitutions}`;
        if (operator === '>' && script) this.#sinks.set(path, script);
        else scope.files.set(path, script ? this.#substituted(script, scope, how) : HOLE);
        return path;
      },
    };
  }

  feed(path: string, content: string, { scope, how }: Invocation): void {
    const script = this.#sinks.get(path);
    if (script) this.#substituted(script, scope, how, content);
  }

  #substituted(script: ParsedScript, scope: Scope, how: How, stdin = ''): string {
    if (this.#depth >= MAX_DEPTH) return HOLE;
    this.#depth++;
    try {
      tellErrors(script, '', this);
      return this.#statements(script.commands, new Scope(scope), stdin, how);
    } finally {
      this.#depth--;
    }
  }

  #input(redirects: readonly Redirection[], scope: Scope, stdin: string, how: How): string {
    const on = this.#expanding(scope, how);
    let input = stdin;
    for (const redirect of redirects) {
      if (redirect.type === 'HereString') input = redirect.target ? textOfWord(redirect.target, on) : '';
      else if (redirect.type === 'HereDoc') {
        const { parts, text } = redirect.body;
        input = redirect.delimiter?.quoted === true || parts === undefined ? text : textOfParts(parts, on);
      } else if (redirect.operator === '<' && redirect.target) {
        input = this.#options.read(absolute(textOfWord(redirect.target, on), scope), scope);
      }
    }
    return input;
  }

  /** What goes on down the pipe. */
  #output(redirects: readonly Redirection[], output: string, from: Invocation): string {
    let left = output;
    const on = this.#expanding(from.scope, from.how);
    for (const redirect of redirects) {
      if (redirect.type !== 'Redirect' || !redirect.operator.includes('>') || !redirect.target) continue;
      const target = textOfWord(redirect.target, on);
      if (/^(\d+|-)$/.test(target)) continue;
      const descriptor = redirect.descriptor?.type === 'FileDescriptor' ? redirect.descriptor.value : 1;
      const isOutput = descriptor === 1 || redirect.operator.startsWith('&');
      const path = absolute(target, from.scope);
      const content = isOutput ? output : '';
      if (isOutput && redirect.operator !== '>&') left = '';
      const before = redirect.operator.includes('>>') ? (from.scope.files.get(path) ?? '') : '';
      from.scope.files.set(path, before + content);
      tellRedirected(path, isOutput, from, this);
      this.#options.onWrite(path, from, this, content);
    }
    return left;
  }
}

/** One-liners of interpreters: what their calls would do, read off the text; what hides behind decoding is said. */
import { parseOptions } from '../shell/arguments.ts';
import { type Handler, type Handlers, type Host, type Invocation, named } from '../shell/invocation.ts';
import { DOWNLOAD, HOLE, isOpaque, NAME, SECRET, shown } from '../shell/marks.ts';
import { absolute } from '../shell/names.ts';
import { inspectCode } from './code.ts';
import { writes } from './files.ts';
import { isSecretPath } from './paths.ts';

/** Options whose value is code, by interpreter. */
const CODE: Readonly<Record<string, readonly string[]>> = {
  python: ['c'],
  perl: ['e', 'E'],
  ruby: ['e'],
  node: ['e', 'p', 'eval', 'print'],
  php: ['r', 'B', 'R', 'E'],
  lua: ['e'],
  deno: [],
  R: ['e'],
  osascript: ['e'],
  groovy: ['e'],
  julia: ['e', 'E', 'eval', 'print'],
  elixir: ['e', 'eval'],
  erl: ['eval'],
  octave: ['eval'],
  Rscript: ['e'],
  scala: ['e'],
};

/** Further options with a value. */
const VALUED = [
  'm',
  'W',
  'X',
  'I',
  'r',
  'require',
  'import',
  'loader',
  'd',
  'S',
  'F',
  'T',
  'conditions',
  'max-old-space-size',
  'input-type',
];
const interpret: Handler = (from, host) => {
  const family = familyOf(from.name);
  const code = CODE[family] ?? [];
  const args = parseOptions(from.args, {
    valued: [...code, ...VALUED.filter((name) => !code.includes(name))],
    untilOperand: true,
  });
  const texts = args.all.filter(([name]) => code.includes(name)).map(([, text]) => text);
  if (family === 'deno' && args.operands[0] === 'eval') texts.push(args.operands.slice(1).join(' '));
  const module = family === 'python' ? args.value('m') : undefined;
  if (module !== undefined) return runModule(module, from, host);
  if (texts.length > 0) {
    const seen = texts.map((text) => inspectCode(text, from, host, family));
    if (from.args.some((arg) => /^-\w*i/.test(arg)) && /^(perl|ruby)$/.test(family))
      for (const file of args.operands) writes(absolute(file, from.scope), from, host);
    const reads = args.operands.some((operand) => isSecretPath(absolute(operand, from.scope)));
    return reads ? SECRET : (seen.find((output) => output !== HOLE) ?? HOLE);
  }
  if (args.operands.some((operand) => isSecretPath(absolute(operand, from.scope)))) return SECRET;
  const [first, ...others] = args.operands;
  const second = others.find((operand) => !operand.startsWith('-'));
  const file = /^(deno|bun)$/.test(from.name) && first === 'run' ? second : first;
  if (file !== undefined && /^https?:/.test(file))
    host.find('HIGH', 'download-run', `runs what comes over the network with ${from.name}: ${shown(file)}`);
  if (args.has('version', 'help', 'V', 'v') && file === undefined) return NAME;
  const input = file === undefined || file === '-' ? from.stdin : writtenCode(file, from);
  if (input === undefined || input === '') return HOLE;
  if (input.includes(DOWNLOAD)) host.find('HIGH', 'download-run', `runs what comes over the network with ${from.name}`);
  else if (isOpaque(input) && input.replaceAll(/\W/g, '').length < 4) {
    if (file === undefined || file.startsWith('/dev/fd/'))
      host.find('HIGH', 'opaque-text', `${from.name} reads its program from a pipe, where it cannot be seen`);
  } else inspectCode(input, from, host, family);
  return HOLE;
};

function familyOf(name: string): string {
  if (/^(python|pypy|ipython)[\d.]*$/.test(name)) return 'python';
  if (/^(node|nodejs|bun|tsx|ts-node)$/.test(name)) return 'node';
  if (/^ruby[\d.]*$|^irb$/.test(name)) return 'ruby';
  if (/^perl[\d.]*$/.test(name)) return 'perl';
  if (/^php[\d.]*$/.test(name)) return 'php';
  if (/^lua(jit)?[\d.]*$/.test(name)) return 'lua';
  return name;
}

/** A file that this text has written itself. */
function writtenCode(file: string, { scope }: Invocation): string | undefined {
  return isOpaque(file) ? HOLE : scope.files.get(absolute(file, scope));
}

function runModule(module: string, from: Invocation, host: Host): string {
  const rest = from.args.slice(from.args.indexOf(module) + 1);
  if (/^(pip|pipx)$/.test(module)) return host.run([module, ...rest], from);
  const folder = /(?:-d|--directory)[= ](\S+)/.exec(rest.join(' '))?.[1] ?? from.scope.cwd;
  if (
    /^(http\.server|SimpleHTTPServer)$/.test(module) &&
    /^(\/|\/(root|home|etc)(\/[^/]*)?)$/.test(absolute(folder, from.scope))
  )
    host.find('HIGH', 'exfiltrate', 'serves all of this machine to the network');
  return HOLE;
}

/** awk: `system("…")`, `"…" | getline`, `print | "sh"`. */
export const awk: Handler = (from, host) => {
  const args = parseOptions(from.args, { valued: ['F', 'v', 'f', 'assign', 'file'], untilOperand: true });
  const [program = ''] = args.operands;
  for (const [, text = ''] of program.matchAll(/system\s*\(\s*"((?:[^"\\]|\\.)*)"/g))
    host.runText(text.replaceAll(/\\(.)/g, '$1'), from);
  if (/system\s*\(\s*[^"\s)]/.test(program)) host.find('HIGH', 'opaque-text', 'awk runs text that cannot be seen here');
  for (const [, text = ''] of program.matchAll(/"((?:[^"\\]|\\.)*)"\s*\|\s*getline|\|&?\s*"((?:[^"\\]|\\.)*)"/g))
    if (text !== '') host.runText(text, from);
  for (const [, text = ''] of program.matchAll(/\|&?\s*"((?:[^"\\]|\\.)*)"/g)) {
    if (!/^(sort|uniq|head|tail|cat|wc|column|tee)\b/.test(text)) host.runText(text, from, { stdin: HOLE });
  }
  if (/\/inet6?\/(tcp|udp)\//.test(program)) host.find('CRITICAL', 'reverse-shell', 'awk talks to the network');
  if (/while\s*\(\s*1\s*\)[^}]*system\s*\([^)]*&/.test(program))
    host.find('CRITICAL', 'fork-bomb', 'starts processes without end');
  for (const [, path = ''] of program.matchAll(/>>?\s*"((?:[^"\\]|\\.)*)"/g))
    writes(absolute(path, from.scope), from, host);
  return undefined;
};

/** sed: `e` runs what is matched, `w` writes, `-i` changes files. */
export const sed: Handler = (from, host) => {
  const args = parseOptions(from.args, { valued: ['e', 'f', 'expression', 'file', 'l'] });
  const scripts = args.all.filter(([name]) => name === 'e' || name === 'expression').map(([, script]) => script);
  const [first = '', ...others] = args.operands;
  const programs = scripts.length > 0 ? scripts : [first];
  const files = scripts.length > 0 ? args.operands : others;
  for (const program of programs) {
    if (/^\s*(\d+|\$|\/[^/]*\/)?\s*e\s+\S/.test(program)) host.runText(program.replace(/^.*?\be\s+/, ''), from);
    if (/^s(.).*\1.*\1[gpiI0-9]*e[gpiI]*$/s.test(program))
      host.find('HIGH', 'opaque-text', 'sed runs what it has replaced as shell text');
    const written = /(?:^|;|\/)w\s+(\/\S+)/.exec(program)?.[1];
    if (written !== undefined) writes(written, from, host);
  }
  const changes = [...args.flags].some((flag) => flag === 'i' || flag.startsWith('in-place'));
  if (changes) for (const file of files) writes(absolute(file, from.scope), from, host);
  return undefined;
};

/** gdb, expect and others whose arguments or input hold commands. */
const debuggers: Handler = (from, host) => {
  for (const arg of from.args) {
    const shell =
      /^(?:shell|!)\s*(.*)$/.exec(arg)?.[1] ?? /system\("([^"]*)"\)/.exec(arg)?.[1] ?? /spawn\s+(.*)$/.exec(arg)?.[1];
    if (shell !== undefined) host.runText(shell, from);
  }
  if (from.name === 'gdb' && from.args.some((arg) => arg === '-p' || arg === '--pid'))
    host.find('HIGH', 'memory', 'reads the memory of another program');
  return NAME;
};

export const interpreters: Handlers = {
  ...named(
    'python python2 python3 python3.8 python3.9 python3.10 python3.11 python3.12 python3.13 pypy pypy3 ipython perl perl5 ruby node nodejs bun tsx ts-node php lua luajit deno R Rscript osascript groovy julia elixir tclsh jshell scala irb octave ghci erl swift',
    interpret,
  ),
  ...named('gdb lldb expect', debuggers),
  m4: (from, host) => {
    for (const [, text = ''] of from.stdin.matchAll(/e?syscmd\(`?([^)']*)/g)) host.runText(text, from);
    return HOLE;
  },
  go: (from, host) => {
    const [verb, file = ''] = from.args;
    if (verb === 'run' && /\.\w+\/\S+@/.test(file))
      host.find('HIGH', 'download-run', `runs what comes over the network: go run ${shown(file)}`);
    const code = verb === 'run' ? writtenCode(file, from) : undefined;
    if (code !== undefined && code !== '') inspectCode(code, from, host, 'go');
    return HOLE;
  },
};

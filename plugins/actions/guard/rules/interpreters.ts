/** One-liners of interpreters: what their calls would do, read off the text; what hides behind decoding is said. */
import { parseOptions } from '../shell/arguments.ts';
import { type Handler, type Handlers, type Host, type Invocation, named } from '../shell/invocation.ts';
import { DOWNLOAD, HOLE, isOpaque, NAME, SECRET, shown } from '../shell/marks.ts';
import { absolute } from '../shell/names.ts';
import { addressProblem } from './addresses.ts';
import { contentOf, deletes, writes } from './files.ts';
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
  pwsh: ['c', 'Command', 'command'],
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
const TEXT = String.raw`\s*(?:f|r|b|rb|u)?(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|` + '`((?:[^`\\\\]|\\\\.)*)`)';
const PLAIN_TEXT = new RegExp(TEXT, 'g');

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
    for (const text of texts) inspectCode(text, from, host, family);
    return HOLE;
  }
  const [file] = args.operands;
  if (args.has('version', 'help', 'V', 'v') && file === undefined) return NAME;
  const input = file === undefined || file === '-' ? from.stdin : writtenCode(file, from);
  if (input === undefined || input === '') return HOLE;
  if (input.includes(DOWNLOAD)) host.find('HIGH', 'download-run', `runs what comes over the network with ${from.name}`);
  else if (isOpaque(input) && input.replaceAll(/\W/g, '').length < 4) {
    if (file === undefined)
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
  if (/^(http\.server|SimpleHTTPServer)$/.test(module) && /^(\/|~)/.test(from.scope.cwd) && from.scope.cwd === '/')
    host.find('HIGH', 'exfiltrate', 'serves all of this machine to the network');
  return HOLE;
}

/** Calls that run shell text or a program. */
const SHELL_CALLS = new RegExp(
  String.raw`(?:os\.system|os\.popen|popen|(?:subprocess|sp)\.\w+|commands\.getoutput|pty\.spawn|os\.exec\w*|os\.spawn\w*|child_process['"\)]*\.?\w*|\bexec(?:Sync|File|FileSync)?|\bspawn(?:Sync)?|\bsystem|shell_exec|passthru|proc_open|\bqx|IO\.popen|Open3\.\w+|Kernel\.\w+|os\.execute|io\.popen|do shell script|Bun\.\$|\$\s*)\s*\(?\s*(?:\[\s*)?`,
  'g',
);
const DELETES =
  /(?:shutil\.rmtree|rmtree|os\.(?:remove|unlink|rmdir|removedirs)|pathlib\.Path|Path|fs(?:\.promises)?\.(?:rm|rmSync|rmdir|rmdirSync|unlink|unlinkSync)|\.(?:rmSync|unlinkSync|rmdirSync|rm)|FileUtils\.(?:rm_rf|rm_r|rm|remove_dir|remove_entry\w*)|File\.(?:delete|unlink)|Dir\.rmdir|\bunlink|remove_tree|rimraf(?:\.sync)?)\s*\(?\s*/g;
const WRITES =
  /(?:\bopen|writeFile(?:Sync)?|appendFile(?:Sync)?|createWriteStream|File\.(?:write|open)|IO\.write|file_put_contents|fopen|copyFile(?:Sync)?|symlinkSync|os\.symlink|shutil\.copy\w*)\s*\(\s*/g;
const CODE_FROM_ELSEWHERE =
  /(?:exec|eval|Function|compile|loads|system|popen|__import__|instance_eval|assert|unserialize)\s*\(?[^;]*(?:base64|b64decode|decode\(|atob|fromCharCode|from\(['"][A-Za-z0-9+/=]{12,}['"],\s*['"](?:base64|hex)|fromhex|unhexlify|codecs|zlib|marshal|pack\(|chr\(|\[::-1\]|reverse\(|rot13|urlopen|urllib|requests\.|http\.get|fetch\(|Net::HTTP|open-uri|LWP|file_get_contents\(['"]http)/i;
const HIDDEN =
  /getattr\s*\(\s*(?:os|__import__|builtins|subprocess)|__builtins__|globals\(\)\[|__import__\s*\(\s*['"]\w*['"]\s*\+|process\[['"]|require\(\s*['"]\w*['"]\s*\+|vars\(\)\[/;
const REVERSE = /socket|TCPSocket|fsockopen|net\.(?:connect|Socket|createConnection)|Socket::INET|\/dev\/tcp/;
const GIVES_SHELL = /dup2|pty\.spawn|\/bin\/(?:ba|z|da)?sh|cmd\.exe|spawn\(|exec\(|STDIN->fdopen|open\(STDIN/;
const SENDS =
  /urlopen|requests\.(?:post|put|get)|http\.client|\.request\(|fetch\(|axios|Net::HTTP|socket|smtplib|LWP|curl_exec|file_get_contents\(['"]http|urllib|ftplib|http\.get|https\.get/;
const SECRET_IN_CODE =
  /\.ssh\/(?!known_hosts)|\.aws\/credentials|\.kube\/config|\/etc\/shadow|\.netrc|\.git-credentials|\.npmrc|\.pgpass|os\.environ(?!\.get|\[)|process\.env(?![.[])|ENV\.to_h|\bENV\.(?:inspect|map|each)|id_(?:rsa|ed25519)|\.gnupg|\.docker\/config|(?:^|[/'"])\.env['"]/;
const ENDLESS =
  /(?:while\s*(?:True|1|\(?1\)?|\(?true\)?)\s*:?|for\s*\(;;\)|loop\s*(?:do|\{)|fork\s+while)[^]*?(?:\bfork\b|os\.fork|Process\.(?:fork|spawn)|spawn\(process\.argv)|fork\s+while\s+fork|:\(\)\s*\{/;
const KILLS = /(?:os\.kill|process\.kill|Process\.kill|\bkill)\s*\(?\s*(?:['"]?(?:SIG)?(?:KILL|9)['"]?\s*,\s*)?-1\b/;
const POWER =
  /os\.(?:reboot|_exit_machine)|(?:system|exec\w*|run|popen)\(\s*\[?\s*['"](?:shutdown|reboot|poweroff|halt)/;

export function inspectCode(code: string, from: Invocation, host: Host, family: string): void {
  const what = `a ${from.name} one-liner`;
  if (code.includes(DOWNLOAD)) host.find('HIGH', 'download-run', `runs what comes over the network with ${from.name}`);
  else if (code.trim() === HOLE) host.find('HIGH', 'opaque-text', `${what} that cannot be seen here`);
  if (CODE_FROM_ELSEWHERE.test(code))
    host.find('HIGH', 'opaque-text', `${what} runs code that is decoded or loaded first`);
  if (HIDDEN.test(code)) host.find('HIGH', 'opaque-text', `${what} hides which function it calls`);
  if (REVERSE.test(code) && GIVES_SHELL.test(code))
    host.find('CRITICAL', 'reverse-shell', `${what} gives a shell to the network`);
  if ((SECRET_IN_CODE.test(code) || code.includes(SECRET)) && SENDS.test(code))
    host.find('CRITICAL', 'exfiltrate', `${what} sends secrets out`);
  if (ENDLESS.test(code)) host.find('CRITICAL', 'fork-bomb', `${what} starts processes without end`);
  if (KILLS.test(code)) host.find('CRITICAL', 'kill-all', `${what} ends every process`);
  if (POWER.test(code)) host.find('CRITICAL', 'shutdown', `${what} stops this machine`);
  shellCalls(code, from, host);
  if (family === 'ruby' || family === 'perl' || family === 'php' || family === 'lua')
    for (const [, text = ''] of code.matchAll(/`([^`]*)`/g)) host.runText(text, from);
  for (const [, text = ''] of code.matchAll(/\b(?:qx|%x)[{(/|]([^})/|]*)[})/|]/g)) host.runText(text, from);
  fileCalls(code, from, host);
  for (const url of code.match(/https?:\/\/[^\s'"`)]+/g) ?? []) {
    const problem = addressProblem(url);
    if (problem !== null) host.find('HIGH', 'metadata', problem);
  }
}

function shellCalls(code: string, from: Invocation, host: Host): void {
  for (const found of code.matchAll(SHELL_CALLS)) {
    const after = code.slice(found.index + found[0].length, found.index + found[0].length + 4000);
    const isList = found[0].trimEnd().endsWith('[');
    const words = literalsAt(after, isList || /File|spawn|exec[lv]|Open3|subprocess|system/.test(found[0]));
    if (words.length === 0) continue;
    if (words.length === 1) host.runText(words[0] ?? '', from);
    else if (/^(\/bin\/|\/usr\/bin\/)?\w*sh$/.test(words[0] ?? '') || !/\s/.test(words[0] ?? '')) host.run(words, from);
    else for (const word of words) host.runText(word, from);
  }
}

/** The texts that begin here, separated by commas: a command's words. */
function literalsAt(text: string, several: boolean): string[] {
  const words: string[] = [];
  let at = 0;
  while (at < text.length && words.length < 64) {
    PLAIN_TEXT.lastIndex = at;
    const found = PLAIN_TEXT.exec(text);
    if (!found || found.index !== at) break;
    let value = unquoted(found);
    at = PLAIN_TEXT.lastIndex;
    // "r" + "m": put together as the interpreter would.
    for (;;) {
      const plus = /^\s*(?:\+|\.)\s*/.exec(text.slice(at));
      if (!plus) break;
      PLAIN_TEXT.lastIndex = at + plus[0].length;
      const next = PLAIN_TEXT.exec(text);
      if (next?.index !== at + plus[0].length) break;
      value += unquoted(next);
      at = PLAIN_TEXT.lastIndex;
    }
    words.push(value);
    const comma = /^\s*,\s*(?:\[\s*)?/.exec(text.slice(at));
    if (!several || !comma) break;
    at += comma[0].length;
  }
  return words;
}

function unquoted(found: RegExpExecArray): string {
  const text = found[1] ?? found[2] ?? found[3] ?? '';
  return text
    .replaceAll(/\\x([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    .replaceAll('\\n', '\n')
    .replaceAll(/\\(.)/g, '$1')
    .replaceAll(/\$\{[^}]*\}|#\{[^}]*\}/g, HOLE);
}

function fileCalls(code: string, from: Invocation, host: Host): void {
  for (const found of code.matchAll(DELETES)) {
    const after = code.slice(found.index + found[0].length);
    const isPath = /Path\s*\(?\s*$/.test(found[0]);
    if (isPath && !/\)\.(?:unlink|rmdir)/.test(after.slice(0, 200))) continue;
    const whole = /rmtree|rm_r|rmSync|\.rm\b|remove_|rimraf|rmdirSync/.test(found[0]);
    const [path] = literalsAt(after, false);
    if (path !== undefined) deletes(expandedHome(path, from), whole, from, host);
    else if (
      /^(?:os\.path\.expanduser|Path\.home|os\.environ\[|process\.env\.HOME|os\.homedir|Dir\.home)/.test(after)
    ) {
      const [inner] = literalsAt(after.replace(/^[^'"]*/, ''), false);
      deletes(inner?.startsWith('~') === true ? expandedHome(inner, from) : from.scope.home, whole, from, host);
    } else if (whole)
      host.find(
        'HIGH',
        'delete-unknown',
        `deletes everything in a place that cannot be seen here: ${shown(after.slice(0, 40))}`,
      );
  }
  for (const found of code.matchAll(WRITES)) {
    const after = code.slice(found.index + found[0].length);
    const [path] = literalsAt(after, false);
    const writing =
      !found[0].startsWith('open') && !found[0].startsWith('fopen')
        ? true
        : /^[^)]*,\s*['"](?:[waxr]b?\+|[wax])/.test(after);
    if (path !== undefined && writing) writes(absolute(expandedHome(path, from), from.scope), from, host);
  }
  for (const [, glob = ''] of code.matchAll(/glob(?:\.glob)?\(\s*['"]([^'"]*)['"]/g)) {
    if (/os\.(?:remove|unlink)|rmtree|unlink/.test(code)) deletes(glob, true, from, host);
  }
  if (/os\.walk\(\s*['"]\/['"]/.test(code) && /os\.(?:remove|unlink)|rmtree/.test(code))
    host.find('CRITICAL', 'delete-system', 'deletes everything in “/”');
}

function expandedHome(path: string, { scope }: Invocation): string {
  return path === '~' || path.startsWith('~/') ? scope.home + path.slice(1) : path;
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

const editor: Handler = (from, host) => {
  for (const [index, arg] of from.args.entries()) {
    const text =
      arg === '-c' || arg === '--cmd' ? (from.args[index + 1] ?? '') : arg.startsWith('+') ? arg.slice(1) : null;
    const command =
      text === null
        ? undefined
        : /^:?\s*(?:silent\s*)?(?:!|terminal |term |py3?\s|python3?\s|lua\s)(.*)$/s.exec(text)?.[1];
    if (command !== undefined)
      host.runText(command.replace(/^import os;?\s*os\.system\(["'](.*)["']\).*$/s, '$1'), from);
    if (text !== null && /^w(q|rite)?!?\s+\//.test(text)) writes(text.replace(/^\w+!?\s+/, ''), from, host);
  }
  for (const file of from.args.filter((arg) => !/^[-+]/.test(arg)))
    if (from.args.includes('-es') || from.args.includes('-s')) writes(absolute(file, from.scope), from, host);
  return '';
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

const tar: Handler = (from, host) => {
  const [first = '', ...rest] = from.args;
  const bundled = /^[A-Za-z]+$/.test(first) && !first.includes('/') ? [`-${first}`, ...rest] : from.args;
  const args = parseOptions(bundled, {
    valued: [
      'f',
      'C',
      'T',
      'X',
      'file',
      'directory',
      'I',
      'use-compress-program',
      'exclude',
      'transform',
      'checkpoint-action',
      'to-command',
      'rsh-command',
      'info-script',
      'F',
    ],
  });
  for (const [name, value] of args.all) {
    if (name === 'checkpoint-action') host.runText(value.replace(/^exec=/, ''), from);
    else if (/^(to-command|I|use-compress-program|rsh-command|info-script|F)$/.test(name)) host.runText(value, from);
  }
  const file = args.value('f', 'file');
  const folder = args.value('C', 'directory') ?? '.';
  const extracts = args.has('x', 'extract', 'get');
  if (extracts) {
    const target = absolute(folder, from.scope);
    if (target === '/' || /^\/(etc|bin|sbin|usr|lib|boot|root)(\/|$)/.test(target))
      host.find('HIGH', 'write-protected', `unpacks into “${shown(target)}”`);
    return '';
  }
  const secret = args.operands.some(
    (operand) =>
      isSecretPath(absolute(operand, { cwd: absolute(folder, from.scope) })) ||
      /(^|\/)\.(ssh|aws|kube|gnupg|docker)\/?$/.test(operand),
  );
  const content = secret ? SECRET : HOLE;
  if (file !== undefined && file !== '-') {
    const path = absolute(file, from.scope);
    writes(path, from, host);
    from.scope.files.set(path, content);
    if (args.has('remove-files')) for (const operand of args.operands) deletes(operand, true, from, host);
    return '';
  }
  return content;
};

const zip: Handler = (from, host) => {
  const args = parseOptions(from.args, { valued: ['T', 'TT', 'unzip-command', 'x', 'i', 'P', 'p', 'o'] });
  const command = args.value('TT', 'unzip-command');
  if (command !== undefined) host.runText(command, from);
  const [archive = '', ...sources] = args.operands;
  const secret = sources.some(
    (source) =>
      contentOf(absolute(source, from.scope), from.scope).includes(SECRET) ||
      /(^|\/)\.(ssh|aws|kube|gnupg)\/?$/.test(source),
  );
  if (secret) from.scope.files.set(absolute(archive, from.scope), SECRET);
  return secret ? SECRET : '';
};

export const interpreters: Handlers = {
  ...named(
    'python python2 python3 python3.8 python3.9 python3.10 python3.11 python3.12 python3.13 pypy pypy3 ipython perl perl5 ruby node nodejs bun tsx ts-node php lua luajit deno R Rscript osascript groovy pwsh powershell',
    interpret,
  ),
  ...named('vim vi nvim ex view emacs ed', editor),
  ...named('gdb lldb expect script', debuggers),
  ...named('tar bsdtar gtar cpio', tar),
  ...named('zip 7z 7za', zip),
};

/** Programs and builtins that start others: what they start is what counts. */
import { parseOptions } from '../shell/arguments.ts';
import { type Handler, type Handlers, type Host, type Invocation, named } from '../shell/invocation.ts';
import { DOWNLOAD, ENVIRONMENT, HOLE, isOpaque, marksOf, NAME, SECRET, shown } from '../shell/marks.ts';
import { absolute } from '../shell/names.ts';
import { tellEnvironment } from '../shell/opaque.ts';
import { contentOf } from './files.ts';
import { placeOf } from './paths.ts';

/** Options that take a value, by wrapper; what follows the options is a command. */
const VALUED: Readonly<Record<string, readonly string[]>> = {
  nice: ['n', 'adjustment'],
  ionice: ['c', 'n', 'p', 'class', 'classdata'],
  timeout: ['k', 's', 'kill-after', 'signal'],
  stdbuf: ['i', 'o', 'e', 'input', 'output', 'error'],
  taskset: ['p'],
  chrt: ['T', 'P', 'D'],
  strace: ['e', 'o', 's', 'p', 'u'],
  ltrace: ['e', 'o'],
  time: ['f', 'o'],
  watch: ['n', 'interval'],
  flock: ['w', 'E', 'timeout'],
  'systemd-run': ['u', 'p', 'M', 'unit', 'property', 'E', 'setenv', 'slice', 'on-active', 'on-calendar'],
  cgexec: ['g'],
  faketime: [],
  prlimit: [],
  'dbus-run-session': [],
  proot: ['R', 'b', 'w'],
  caffeinate: ['t', 'w'],
  'xvfb-run': ['s', 'n', 'e', 'f'],
  dotenv: ['e', 'f'],
  direnv: [],
  torsocks: [],
  proxychains: ['f'],
  setpriv: ['reuid', 'regid', 'groups'],
  unbuffer: [],
};
/** Operands before the command. */
const BEFORE: Readonly<Record<string, number>> = { timeout: 1, taskset: 1, chrt: 1, flock: 1, faketime: 1 };

const wrapper: Handler = (from, host) => {
  const { name } = from;
  const args = parseOptions(from.args, { valued: VALUED[name] ?? [], untilOperand: true });
  const command = args.operands.slice(BEFORE[name] ?? 0);
  const text = args.value('c', 'command');
  const inline = command[0] === '-c' || command[0] === '--command' ? command[1] : undefined;
  if (name === 'flock' && (text ?? inline) !== undefined) return host.runText(text ?? inline ?? '', from);
  if (command.length === 0) return HOLE;
  return name === 'watch' ? host.runText(command.join(' '), from) : host.run(command, from);
};

const SUDO = [
  'u',
  'g',
  'h',
  'p',
  'C',
  'r',
  't',
  'T',
  'U',
  'D',
  'R',
  'user',
  'group',
  'host',
  'prompt',
  'chdir',
  'chroot',
];

const sudo: Handler = (from, host) => {
  const args = parseOptions(from.args, { valued: SUDO, untilOperand: true });
  const command = args.operands.filter(
    (arg, index, all) => !(/^\w+=/.test(arg) && all.slice(0, index + 1).every((each) => /^\w+=/.test(each))),
  );
  if (args.has('V', 'version', 'help') || (args.has('l', 'list', 'v', 'validate', 'k', 'K') && command.length === 0))
    return NAME;
  host.find(
    'HIGH',
    'privileged',
    `${from.name} runs with another user's rights: ${shown(command.join(' ')) || 'a shell'}`,
  );
  if (command.length === 0)
    return from.stdin === '' ? HOLE : host.runText(from.stdin, from, { how: { privileged: true } });
  return args.has('i', 's', 'login', 'shell')
    ? host.runText(command.join(' '), from, { how: { privileged: true } })
    : host.run(command, from, { privileged: true });
};

const su: Handler = (from, host) => {
  const args = parseOptions(from.args, { valued: ['c', 'command', 's', 'shell', 'g', 'G', 'u', 'user'] });
  host.find('HIGH', 'privileged', `${from.name} runs with another user's rights`);
  const text = args.value('c', 'command');
  const how = { privileged: true };
  if (text !== undefined) return host.runText(text, from, { how });
  const at = from.args.indexOf('--');
  return at >= 0 ? host.run(from.args.slice(at + 1), from, how) : HOLE;
};

/** `env -i A=b -S "text" command`. */
const env: Handler = (from, host) => {
  const args = parseOptions(from.args, {
    valued: ['u', 'C', 'S', 'unset', 'chdir', 'split-string'],
    untilOperand: true,
  });
  const folder = args.value('C', 'chdir');
  if (folder !== undefined) from.scope.cwd = absolute(folder, from.scope);
  const split = args.value('S', 'split-string');
  const words = split === undefined ? args.operands : [...split.trim().split(/\s+/), ...args.operands];
  const at = words.findIndex((word) => !/^[A-Za-z_]\w*=/.test(word));
  for (const word of at < 0 ? words : words.slice(0, at)) {
    const [name = '', ...value] = word.split('=');
    from.scope.variables.set(name, [value.join('=')]);
    tellEnvironment(name, from, host);
  }
  return at < 0 ? ENVIRONMENT : host.run(words.slice(at), from);
};

const XARGS = [
  'n',
  'P',
  'I',
  'L',
  's',
  'd',
  'a',
  'E',
  'max-args',
  'max-procs',
  'replace',
  'delimiter',
  'arg-file',
  'max-lines',
  'max-chars',
];

const xargs: Handler = (from, host) => {
  const args = parseOptions(from.args, { valued: XARGS, untilOperand: true });
  const command = args.operands.length === 0 ? ['echo'] : args.operands;
  const file = args.value('a', 'arg-file');
  const input = file === undefined ? from.stdin : contentOf(absolute(file, from.scope), from.scope);
  const mark = args.value('I', 'replace') ?? (args.has('i') ? '{}' : null);
  const items =
    input === ''
      ? [HOLE]
      : input
          .split(mark === null ? /[\n\u0020\t]+/ : '\n')
          .filter((item) => item !== '')
          .slice(0, 200);
  if (mark === null) return host.run([...command, ...items], from, {}, '');
  return items
    .map((item) =>
      host.run(
        command.map((word) => word.replaceAll(mark, item)),
        from,
        {},
        '',
      ),
    )
    .join('\n');
};

const parallel: Handler = (from, host) => {
  const args = parseOptions(from.args, {
    valued: ['j', 'jobs', 'N', 'a', 'delay', 'timeout', 'joblog'],
    untilOperand: true,
  });
  const at = args.operands.findIndex((word) => /^:{3,4}\+?$/.test(word));
  const command = at < 0 ? args.operands : args.operands.slice(0, at);
  const items = at < 0 ? from.stdin.split('\n') : args.operands.slice(at + 1);
  const texts = items.slice(0, 50).map((item) => {
    const text = command.join(' ');
    return command.length === 0 ? item : text.includes('{}') ? text.replaceAll('{}', item) : `${text} ${item}`;
  });
  return texts.map((text) => host.runText(text, from)).join('\n');
};

const SHELL_VALUED = ['o', 'O', 'rcfile', 'init-file'];

/** A shell: text of its own, a file, or what is piped in. */
const shell: Handler = (from, host) => {
  const args = parseOptions(
    from.args.map((arg) => (/^\+[a-zA-Z]/.test(arg) ? `-${arg.slice(1)}` : arg)),
    {
      valued: SHELL_VALUED,
      untilOperand: true,
    },
  );
  if (args.has('version', 'help') && args.operands.length === 0) return NAME;
  const rc = args.value('rcfile', 'init-file');
  if (rc !== undefined) runFile(rc, [], from, host);
  const [first, ...rest] = args.operands;
  if (args.has('c')) {
    if (first === undefined) return HOLE;
    if (rest[0] !== undefined) from.scope.variables.set('0', [rest[0]]);
    return host.runText(first, from, { parameters: rest.slice(1), stdin: from.stdin });
  }
  if (first !== undefined && first !== '-' && !args.has('s') && !/^\/dev\/(stdin|fd\/0)$/.test(first))
    return runFile(first, rest, from, host);
  return piped(from, host, from.stdin, rest);
};

function piped(from: Invocation, host: Host, input: string, parameters: readonly string[]): string {
  if (input === '') return HOLE;
  if (from.args.includes('-i') && isOpaque(input))
    host.find('CRITICAL', 'reverse-shell', `${from.name} -i obeys whoever writes into its pipe`);
  const risk = from.how.privileged ? 'CRITICAL' : 'HIGH';
  if (input.includes(DOWNLOAD)) {
    host.find(risk, 'download-run', `runs what comes over the network with ${from.name}`);
    return HOLE;
  }
  if (input.includes(SECRET) || (input.includes(HOLE) && !/[a-z]{2}/i.test(input))) {
    host.find(risk, 'opaque-text', `${from.name} reads its text from a pipe, where it cannot be seen`);
    return HOLE;
  }
  return host.runText(input, from, { parameters });
}

/** A script of the workspace is what agents run all day; what was just written or loaded is looked into. */
function runFile(path: string, parameters: readonly string[], from: Invocation, host: Host): string {
  if (isOpaque(path)) {
    host.find('HIGH', 'opaque-command', `${from.name} runs a file that cannot be seen here: “${shown(path)}”`);
    return HOLE;
  }
  const whole = absolute(path, from.scope);
  const content = from.scope.files.get(whole);
  if (content !== undefined && content !== '') return piped(from, host, content, parameters);
  const place = placeOf(path, from, host.workspaces);
  if (place === 'secret' || whole.startsWith('/dev/tcp'))
    host.find('HIGH', 'opaque-command', `${from.name} runs “${shown(path)}”`);
  return HOLE;
}

const source: Handler = (from, host) => {
  const [path = '', ...parameters] = from.args.filter((arg) => arg !== '--');
  if (path === '') return '';
  if (/^\/dev\/(stdin|fd\/0)$/.test(path)) return piped(from, host, from.stdin, parameters);
  const content = isOpaque(path) ? undefined : from.scope.files.get(absolute(path, from.scope));
  if (content === undefined || content === '') return runFile(path, parameters, from, host);
  if (isOpaque(content)) return piped(from, host, content, parameters);
  return host.runText(content, from, { same: true });
};

const evaluate: Handler = (from, host) => {
  const text = from.args.filter((arg, index) => !(index === 0 && arg === '--')).join(' ');
  if (text === '') return '';
  // What tools print for it is theirs to print: `eval "$(ssh-agent -s)"`.
  if (text.includes(DOWNLOAD)) host.find('HIGH', 'download-run', 'eval runs what comes over the network');
  else if (text.includes(HOLE) || text.includes(SECRET))
    host.find('HIGH', 'opaque-text', `eval runs text that cannot be seen here: “${shown(text)}”`);
  return isOpaque(text) && !/[a-z]{2}/i.test(text) ? HOLE : host.runText(text, from, { same: true });
};

/** `exec`, `command`, `builtin`. */
const builtin: Handler = (from, host) => {
  const args = parseOptions(from.args, { valued: from.name === 'exec' ? ['a'] : [], untilOperand: true });
  if (args.has('v', 'V') && from.name === 'command') return `/usr/bin/${args.operands[0] ?? ''}`;
  return args.operands.length === 0 ? '' : host.run(args.operands, from);
};

const trap: Handler = (from, host) => {
  const [text = '', ...signals] = from.args.filter((arg) => arg !== '--');
  if (signals.length > 0 && text !== '' && text !== '-') host.runText(text, from);
  return '';
};

const alias: Handler = ({ args, scope }) => {
  for (const arg of args) {
    const at = arg.indexOf('=');
    if (at > 0) scope.aliases.set(arg.slice(0, at), arg.slice(at + 1));
  }
  return '';
};

const declare: Handler = (from, host) => {
  const operands = from.args.filter((arg) => !/^[-+]/.test(arg));
  const onlyShown = operands.length === 0;
  for (const arg of operands) {
    const at = arg.indexOf('=');
    const refers = from.args.some((each) => /^-\w*n/.test(each));
    const value = arg.slice(at + 1);
    if (at > 0) from.scope.set(arg.slice(0, at).replace(/\+$/, ''), refers ? from.scope.get(value) : [value]);
    const name = at > 0 ? arg.slice(0, at) : arg;
    if (at > 0) tellEnvironment(name, from, host);
  }
  if (from.name === 'declare' && from.args.some((arg) => /^-\w*f/.test(arg))) return HOLE;
  return onlyShown && from.name !== 'local' ? ENVIRONMENT : '';
};

const read: Handler = ({ args, stdin, scope }) => {
  const { operands, value } = parseOptions(args, { valued: ['d', 'n', 'N', 'p', 't', 'u', 'i', 'a'] });
  const [line = ''] = stdin.split('\n');
  const known = stdin === '' ? HOLE : line;
  const array = value('a');
  if (array !== undefined) scope.set(array, known.split(/\s+/));
  const words = known.split(/\s+/);
  for (const [index, name] of operands.entries()) {
    const last = index === operands.length - 1;
    scope.set(name, [last ? words.slice(index).join(' ') : (words[index] ?? '')]);
  }
  return '';
};

const mapfile: Handler = (from, host) => {
  const args = parseOptions(from.args, { valued: ['d', 'n', 'O', 's', 'u', 'C', 'c'] });
  from.scope.set(args.operands[0] ?? 'MAPFILE', from.stdin === '' ? [HOLE] : from.stdin.split('\n'));
  const callback = args.value('C');
  if (callback !== undefined) host.runText(callback, from);
  return '';
};

/** `setpriv --reuid=0`: back to root. */
const privileges: Handler = (from, host) => {
  if (/--(re|e)?uid[= ]?(0|root)\b/.test(from.args.join(' ')))
    host.find('HIGH', 'privileged', `${from.name} runs with another user's rights`);
  return wrapper(from, host);
};

const changeDirectory: Handler = ({ args, scope }) => {
  const target = args.find((arg) => !/^-[LPe@]+$/.test(arg) && arg !== '--');
  if (target === '-') scope.cwd = HOLE;
  else if (target === undefined) scope.cwd = scope.home;
  else scope.cwd = absolute(target === '' ? '.' : target, scope);
  return '';
};

const shift: Handler = ({ args, scope }) => {
  if (scope.parameters) scope.parameters = scope.parameters.slice(Number(args[0] ?? 1) || 1);
  return '';
};

const set: Handler = ({ args, scope }) => {
  if (args.length === 0) return ENVIRONMENT;
  const at = args.indexOf('--');
  if (at >= 0) scope.parameters = args.slice(at + 1);
  else if (args[0] !== undefined && !/^[-+]/.test(args[0])) scope.parameters = args;
  return '';
};

/** `busybox rm`, `toybox rm`. */
const applets: Handler = (from, host) => (from.args.length === 0 ? NAME : host.run(from.args, from));

const jail: Handler = (from, host) => {
  const args = parseOptions(from.args, {
    valued: ['userspec', 'groups', 't', 'target', 'S', 'G', 'r', 'w', 'setuid', 'setgid'],
    untilOperand: true,
  });
  const command = from.name === 'chroot' ? args.operands.slice(1) : args.operands;
  host.find(
    from.name === 'unshare' ? 'MEDIUM' : 'HIGH',
    'leave-sandbox',
    `${from.name} runs a command in other namespaces`,
  );
  if (from.name === 'nsenter' && args.value('t', 'target') === '1')
    host.find('CRITICAL', 'leave-container', "nsenter enters the host's init");
  return command.length === 0 ? HOLE : host.run(command, from, { privileged: true });
};

/** What is read from a pipe or a file and run later. */
const later: Handler = (from, host) => {
  const file = parseOptions(from.args, { valued: ['f', 'q', 't'] }).value('f');
  host.find('HIGH', 'persistence', `${from.name} runs something later by itself`);
  const text = file === undefined ? from.stdin : contentOf(absolute(file, from.scope), from.scope);
  if (text !== '' && !isOpaque(text)) host.runText(text, from);
  return marksOf(text);
};

export const wrappers: Handlers = {
  ...named(Object.keys(VALUED).join(' '), wrapper),
  ...named('nohup setsid chronic catchsegv eatmydata fakeroot', wrapper),
  ...named('sudo doas pkexec run0 gosu su-exec sudoedit', sudo),
  ...named('su runuser', su),
  ...named('sh bash dash zsh ksh mksh ash fish rbash csh tcsh yash', shell),
  ...named('source .', source),
  ...named('exec command builtin', builtin),
  ...named('declare typeset local export readonly', declare),
  ...named('cd pushd chdir', changeDirectory),
  ...named('mapfile readarray', mapfile),
  ...named('busybox toybox', applets),
  ...named('chroot nsenter unshare', jail),
  ...named('at batch', later),
  setpriv: privileges,
  compgen: ({ args }) => (args.some((arg) => /^-\w*[ev]/.test(arg)) ? ENVIRONMENT : NAME),
  env,
  xargs,
  gxargs: xargs,
  parallel,
  eval: evaluate,
  trap,
  alias,
  read,
  shift,
  set,
  '[': () => '',
  '[[': () => '',
  ':': () => '',
};

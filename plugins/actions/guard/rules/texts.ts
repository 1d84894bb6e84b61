/** What programs print: only as much as it takes to see what is hidden in a pipe or a substitution. */
import { parseOptions } from '../shell/arguments.ts';
import { type Handler, type Handlers, named } from '../shell/invocation.ts';
import { ENVIRONMENT, HOLE, marksOf, NAME, PROCESSES, SECRET, unmarked } from '../shell/marks.ts';
import { absolute } from '../shell/names.ts';
import { filtered, formatted, unescaped } from '../shell/transforms.ts';
import { contentOf } from './files.ts';

const echo: Handler = ({ args }) => {
  const escapes = args.some((arg) => /^-[neE]*e[neE]*$/.test(arg));
  const words = args.filter((arg, index) => !(index < 2 && /^-[neE]+$/.test(arg)));
  const text = words.join(' ');
  return escapes ? unescaped(text) : text;
};

const printf: Handler = ({ args, scope }) => {
  const [first = '', second = '', ...rest] = args[0] === '--' ? args.slice(1) : args;
  if (first === '-v') {
    const [format = '', ...values] = rest;
    scope.set(second, [formatted(format, values)]);
    return '';
  }
  return formatted(first, args.length > 1 ? [second, ...rest] : []);
};

/** Files that are named, else what is piped in. */
const cat: Handler = ({ name, args, stdin, scope }, host) => {
  if (args.includes('/dev/zero') && name !== 'cat') host.find('HIGH', 'exhaust', 'fills the memory');
  const files = args.filter((arg) => !arg.startsWith('-') || arg === '-');
  if (files.length === 0) return stdin;
  return files.map((file) => (file === '-' ? stdin : contentOf(absolute(file, scope), scope))).join('\n');
};

/** What people search for who look for secrets. */
const SECRET_WORDS = /secret|token|pass|key|cred|auth|pwd/i;

const filter: Handler = (from, host) => {
  const { name, args, stdin, scope } = from;
  if ((name === 'tail' && args.includes('/dev/zero')) || args.some((arg) => /^-?c?\d+[GTP]$/.test(arg)))
    host.find('HIGH', 'exhaust', 'fills the memory');
  const operands = parseOptions(args, { valued: VALUED[name] ?? [] }).operands;
  if (/^[ef]?grep$/.test(name) && stdin.includes(ENVIRONMENT))
    return SECRET_WORDS.test(operands[0] ?? '') ? SECRET : NAME;
  if (/^[ef]?grep$/.test(name) && stdin.includes(PROCESSES)) return NAME;
  const files = operands.slice(SKIPPED.has(name) ? 1 : 0);
  const input =
    files.length === 0 || name === 'tr'
      ? stdin
      : files.map((file) => contentOf(absolute(file, scope), scope)).join('\n');
  return filtered(name, args, input) ?? HOLE + marksOf(input);
};

/** Filters whose first operand is a program or a pattern. */
const SKIPPED = new Set(['sed', 'grep', 'egrep', 'awk', 'gawk', 'mawk', 'tr', 'openssl']);
const VALUED: Readonly<Record<string, readonly string[]>> = {
  head: ['n', 'c', 'lines', 'bytes'],
  tail: ['n', 'c', 'lines', 'bytes'],
  cut: ['d', 'f', 'c', 'b', 'delimiter', 'fields', 'characters'],
  sort: ['k', 't', 'o', 'key'],
  base64: ['w', 'wrap'],
  xxd: ['l', 's', 'c', 'g'],
  awk: ['F', 'v'],
  fold: ['w'],
  grep: ['e', 'A', 'B', 'C', 'm', 'f', 'include', 'exclude'],
};

/** What these print for `eval` is theirs to print. */
const shellSetup: Handler = (from, host) => {
  const { name, args } = from;
  if (name === 'ssh-agent' && args[0] !== undefined && !args[0].startsWith('-')) return host.run(args, from);
  return setsUp(args) ? '' : undefined;
};

const setsUp = (args: readonly string[]): boolean =>
  args.length === 0 ||
  /^(-[sc]|hook|init|env|shellenv|activate|docker-env|completion|export|shell)\b/.test(args.join(' '));

/** What a machine, or what runs on it, cannot do without. */
const GREAT_SERVICES =
  /^(sshd|systemd\w*|init|dockerd|containerd|kubelet|etcd|mysqld|postgres|mongod|redis-server|nginx)$/;

const word: Handler = () => NAME;
const secret: Handler = () => SECRET;

const path: Handler = ({ name, args, scope }) => {
  const operand = args.findLast((arg) => !arg.startsWith('-')) ?? '';
  if (name === 'basename') return operand.includes(HOLE) ? NAME : operand.replace(/\/+$/, '').replace(/^.*\//, '');
  if (name === 'dirname') return operand.includes('/') ? operand.replace(/\/[^/]*\/?$/, '') || '/' : '.';
  return absolute(operand, scope);
};

const which: Handler = ({ args }) => {
  const operand = args.findLast((arg) => !arg.startsWith('-')) ?? '';
  return operand === '' ? NAME : `/usr/bin/${operand}`;
};

const temporary: Handler = ({ args, scope }) => {
  const template = args.findLast((arg) => !arg.startsWith('-'));
  const name = `tmp.${NAME}`;
  if (template === undefined) return `/tmp/${name}`;
  const plain = template.replaceAll(/X{3,}/g, NAME);
  return template.includes('/') && !args.includes('-t')
    ? absolute(plain, scope)
    : args.includes('-t') || args.some((arg) => /^-p|--tmpdir/.test(arg))
      ? `/tmp/${plain}`
      : absolute(plain, scope);
};

/** Names of what is in a folder. */
const list: Handler = ({ args }) => {
  const folders = args.filter((arg) => !arg.startsWith('-'));
  const patterns = folders.filter((folder) => /[*?[]/.test(folder));
  return patterns.length > 0 ? patterns.join('\n') : NAME;
};

const environment: Handler = ({ name, args, scope }) => {
  const operands = args.filter((arg) => !arg.startsWith('-'));
  if (name !== 'printenv' || operands.length === 0) return ENVIRONMENT;
  return operands
    .map((operand) => (/TOKEN|SECRET|PASS|KEY|CRED/i.test(operand) ? SECRET : scope.get(operand).join(' ')))
    .join('\n');
};

const sequence: Handler = ({ args }) => {
  const numbers = args.filter((arg) => /^-?\d+$/.test(arg)).map(Number);
  const [first = 1, last = first] = numbers.length > 1 ? [numbers[0], numbers.at(-1)] : [1, numbers[0]];
  const count = Math.min(Math.max(last - first + 1, 0), 20);
  return Array.from({ length: count }, (_, index) => String(first + index)).join('\n');
};

/** `type -p rm`, `command -v rm` are in the wrappers. */
export const texts: Handlers = {
  echo,
  printf,
  ...named('cat gcat bat less more most zless zcat nl strings od hexdump xxd tac pr bat batcat view-secret', cat),
  ...named(
    'sort uniq sponge pv dos2unix fold expand unexpand iconv tac rev head tail base64 basenc base32 xxd tr sed gsed cut gunzip zcat gzip paste awk gawk mawk grep egrep',
    filter,
  ),
  ...named(
    'whoami id hostname uname nproc wc arch tty logname getconf lsb_release uptime sw_vers md5sum sha256sum sha1sum shasum uuidgen stat du df test true false sleep expr bc numfmt cmp',
    word,
  ),
  ...named(
    'ssh-agent direnv brew rbenv pyenv nodenv jenv starship fnm mise asdf dircolors opam minikube podman-machine zoxide atuin conda micromamba',
    shellSetup,
  ),
  ...named('ps pstree top htop', () => PROCESSES),
  pgrep: ({ args }) => (args.some((arg) => /^\.\*?$/.test(arg)) ? PROCESSES : NAME),
  ...named('lsof fuser jobs ss netstat', word),
  pidof: ({ args }) => (args.some((arg) => GREAT_SERVICES.test(arg)) ? HOLE : NAME),
  ...named('basename dirname realpath readlink', path),
  ...named('which whereis', which),
  ...named('mktemp tempfile', temporary),
  ...named('ls dir exa eza', list),
  ...named('printenv', environment),
  ...named('pass op bw lpass gopass secret-tool', secret),
  history: () => ENVIRONMENT,
  pwd: ({ scope }) => scope.cwd,
  seq: sequence,
  yes: ({ args }) => args.join(' ') || 'y',
  rot13: ({ stdin }) => unmarked(Array.from(stdin).map(rot13).join('')),
};

function rot13(char: string): string {
  return char.replace(/[a-zA-Z]/, (letter) => {
    const base = letter <= 'Z' ? 65 : 97;
    return String.fromCharCode(((letter.charCodeAt(0) - base + 13) % 26) + base);
  });
}

/** `find` and `fd`: what they find, and what becomes of it. */
import { type Handler, type Handlers, type Host, type Invocation, named } from '../shell/invocation.ts';
import { HOLE, NAME } from '../shell/marks.ts';
import { absolute } from '../shell/names.ts';
import { deletes } from './files.ts';
import { placeOf } from './paths.ts';

/** `find … -exec`, `-delete`, `-ok`; what it prints are paths below where it looks. */
const find: Handler = (from, host) => {
  const { args } = from;
  const first = args.findIndex((arg) => /^[-(!]/.test(arg) && !/^-[HLPO]/.test(arg) && arg !== '-D');
  const roots = (first < 0 ? args : args.slice(0, first)).filter((arg) => !arg.startsWith('-'));
  const tests = first < 0 ? [] : args.slice(first);
  const below = roots.length === 0 ? ['.'] : roots;
  const name = valueAfter(tests, ['-name', '-iname']);
  const narrow = name !== undefined && !/^\*?$/.test(name);
  const paths = below.map((root) => `${root.replace(/\/$/, '')}/${narrow ? name.replaceAll('*', NAME) : NAME}`);
  if (tests.includes('-delete')) for (const root of below) foundDeleted(root, narrow, from, host);
  const printed: string[] = [];
  for (const [index, test] of tests.entries()) {
    if (!/^-(exec|execdir|ok|okdir)$/.test(test)) continue;
    const end = tests.findIndex((arg, at) => at > index && (arg === ';' || arg === '+' || arg === '\\;'));
    const started = tests.slice(index + 1, end < 0 ? undefined : end);
    // All that is below a root, one by one, is all of it.
    const command =
      narrow || !/^(rm|chmod|chown|shred|truncate)$/.test(started[0] ?? '')
        ? started
        : [started[0] ?? '', '-R', ...started.slice(1)];
    // What matches by name below a root is not the root; all of it is.
    for (const path of narrow ? paths : below)
      printed.push(
        host.run(
          command.map((word) => word.replaceAll('{}', path)),
          from,
          {},
          '',
        ),
      );
  }
  const written = valueAfter(tests, ['-fprint', '-fprintf', '-fls']);
  if (written !== undefined) host.run(['tee', written], from, {}, HOLE);
  return printed.length > 0 ? printed.join('\n') : paths.join('\n');
};

function foundDeleted(root: string, narrow: boolean, from: Invocation, host: Host): void {
  const place = placeOf(root, from, host.workspaces);
  if (place === 'workspace' || place === 'scratch') return;
  const whole = absolute(root, from.scope);
  if (narrow && (whole === '/tmp' || whole === '/var/tmp' || whole.startsWith('/var/log/'))) return;
  if (whole === '/tmp' || whole === '/var/tmp')
    return host.find('MEDIUM', 'delete-outside', `deletes what is in ${whole}`);
  deletes(narrow ? `${root}/${NAME}.` : root, true, from, host);
}

function valueAfter(args: readonly string[], names: readonly string[]): string | undefined {
  const at = args.findIndex((arg) => names.includes(arg));
  return at < 0 ? undefined : args[at + 1];
}

/** `fd PATTERN FOLDER -x COMMAND`. */
const fd: Handler = (from, host) => {
  const at = from.args.findIndex((arg) => /^(-x|-X|--exec|--exec-batch)$/.test(arg));
  const root = from.args.slice(0, Math.max(at, 0)).findLast((arg) => /^[./~]/.test(arg)) ?? '.';
  if (at >= 0) host.run([...from.args.slice(at + 1), root], from);
  return NAME;
};

export const finders: Handlers = { ...named('find gfind', find), ...named('fd fdfind', fd) };

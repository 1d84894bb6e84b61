/** Deleting, overwriting and giving away files. */
import { parseOptions } from '../shell/arguments.ts';
import { type Handlers, type Host, type Invocation, named } from '../shell/invocation.ts';
import { DOWNLOAD, ENVIRONMENT, HOLE, NAME, PROCESSES, SECRET, showsSecrets, shown } from '../shell/marks.ts';
import { absolute } from '../shell/names.ts';
import { UNFINISHED } from '../shell/scope.ts';
import { isSecretPath, isWholeWorkspace, pathText, placeOf, whyFatal, whyProtected } from './paths.ts';

/** What deleting this is; `whole`: a folder with everything in it. */
export function deletes(path: string, whole: boolean, from: Invocation, host: Host): void {
  const place = placeOf(path, from, host.workspaces);
  const text = shown(pathText(path));
  const verb = whole ? 'deletes everything in' : 'deletes';
  switch (place) {
    case 'root':
      return host.find(whole ? 'CRITICAL' : 'HIGH', 'delete-system', `${verb} “${text}”, a part of the system`);
    case 'home':
      return host.find(whole ? 'CRITICAL' : 'HIGH', 'delete-home', `${verb} “${text}”, the home of a user`);
    case 'system':
      return host.find(
        whole || whyFatal(absolute(path, from.scope)) !== null ? 'CRITICAL' : 'HIGH',
        'delete-system',
        `${verb} “${text}”, a part of the system`,
      );
    case 'device':
      return host.find('CRITICAL', 'delete-device', `${verb} “${text}”, a device`);
    case 'secret':
      return host.find('HIGH', 'delete-secret', `${verb} “${text}”, where keys are`);
    case 'unknown':
      return host.find('HIGH', 'delete-unknown', `${verb} “${text}”, which cannot be seen here`);
    case 'other':
      return host.find(whole ? 'HIGH' : 'MEDIUM', 'delete-outside', `${verb} “${text}”, outside of the workspace`);
    default:
      if (/\/\.git\/(objects|refs|HEAD|logs|packed-refs|index|config)(\/|$)/.test(absolute(path, from.scope)))
        return host.find('HIGH', 'git-history', `${verb} “${text}”, a part of the history`);
      if (whole && isWholeWorkspace(path, from, host.workspaces))
        host.find('HIGH', 'delete-workspace', `${verb} “${text}”, all of the workspace or its history`);
  }
}

const RM = {
  long: [
    'recursive',
    'force',
    'interactive',
    'dir',
    'verbose',
    'no-preserve-root',
    'preserve-root',
    'one-file-system',
    'help',
    'version',
  ],
};

const remove: Handlers[string] = (from, host) => {
  const args = parseOptions(from.args, RM);
  if (args.has('help', 'version')) return '';
  if (args.has('no-preserve-root'))
    host.find('CRITICAL', 'delete-system', 'rm --no-preserve-root is meant for the root of the system');
  const whole = args.has('r', 'R', 'recursive');
  if (whole && args.operands.length === 0) from.scope.aliases.set(UNFINISHED, from.path);
  for (const path of args.operands) deletes(path, whole, from, host);
  return '';
};

/** What is written to a path: by a redirection, a copy, an editor. */
export function writes(path: string, from: Invocation, host: Host, content = ''): void {
  if (path.startsWith('/dev/fd/s')) return host.feed(path, content, from);
  if (/^\/dev\/(null|stdout|stderr|stdin|tty|fd\/.*|zero|full)$/.test(path) || path.startsWith('/proc/self/fd')) return;
  const text = shown(pathText(path));
  const place = placeOf(path, from, host.workspaces);
  if (place === 'device') return host.find('CRITICAL', 'write-device', `writes over the device “${text}”`);
  const isNetwork = /^\/dev\/(tcp|udp)\//.test(path);
  if (isNetwork && content.includes(SECRET)) return host.find('CRITICAL', 'exfiltrate', `sends secrets to ${text}`);
  const fatal = whyFatal(path);
  if (fatal !== null && from.how.elsewhere === null)
    return host.find('CRITICAL', 'write-protected', `writes “${text}”, which ${fatal}`);
  const why = whyProtected(path);
  if (why !== null)
    return host.find(
      from.how.elsewhere === null ? 'HIGH' : 'MEDIUM',
      'write-protected',
      `writes “${text}”, which ${why}`,
    );
  if (place === 'root') return host.find('CRITICAL', 'write-system', `writes over “${text}”, a part of the system`);
  if (/^\/var\/log\/(?!.*\/)/.test(path) && from.name !== 'tee')
    return host.find('HIGH', 'cover-tracks', `writes over the log “${text}”`);
  if (
    /(^|\/)(docker-)?compose[\w.-]*\.ya?ml$/.test(path) &&
    /privileged:\s*true|pid:\s*["']?host|docker\.sock|["'-]\s*\/:\//.test(content)
  )
    return host.find('HIGH', 'leave-container', `writes “${text}”, which gives a container the rights of this machine`);
  if (content.includes(ENVIRONMENT) && path !== '/dev/null')
    host.find('MEDIUM', 'copy-secret', `writes all of the environment to “${text}”`);
  if (showsSecrets(content) && place !== 'secret' && path !== '/dev/null')
    host.find('MEDIUM', 'copy-secret', `writes keys, tokens or passwords to “${text}”`);
  if (place === 'secret') return host.find('HIGH', 'write-secret', `writes “${text}”, where keys are`);
  if (place === 'unknown' && path.startsWith(HOLE) && content.includes(DOWNLOAD))
    host.find('MEDIUM', 'write-unknown', 'writes what comes over the network to a place that cannot be seen here');
}

function targetOf(
  operands: readonly string[],
  directory: string | undefined,
): { sources: readonly string[]; target: string } {
  if (directory !== undefined) return { sources: operands, target: directory };
  return { sources: operands.slice(0, -1), target: operands.at(-1) ?? '' };
}

const COPY = { valued: ['t', 'target-directory', 'S', 'suffix', 'm', 'mode', 'o', 'owner', 'g', 'group'] };

const copy: Handlers[string] = (from, host) => {
  const args = parseOptions(from.args, COPY);
  const { sources, target } = targetOf(args.operands, args.value('t', 'target-directory'));
  const mode = args.value('m', 'mode');
  if (from.name === 'install' && mode !== undefined && /^[2467][0-7]{3}$|s/.test(mode))
    host.find('CRITICAL', 'setuid', `install -m ${mode} makes a program run as its owner`);
  for (const source of sources) {
    const path = absolute(target, from.scope);
    const whole = path.endsWith('/') ? path : path;
    writes(whole, from, host);
    const name = source.slice(source.lastIndexOf('/') + 1);
    const inside = `${whole}/${name}`;
    if (whyProtected(whole) === null && whyProtected(inside) !== null && !whole.startsWith(HOLE))
      writes(inside, from, host);
    const read = readable(absolute(source, from.scope), from);
    if (showsSecrets(read) && placeOf(target, from, host.workspaces) !== 'secret')
      host.find('MEDIUM', 'copy-secret', `copies “${shown(source)}”, where keys are`);
    if (read.includes(SECRET)) {
      from.scope.files.set(path, SECRET);
      from.scope.files.set(inside, SECRET);
    } else if (from.scope.files.has(absolute(source, from.scope))) from.scope.files.set(path, read);
  }
  return '';
};

const move: Handlers[string] = (from, host) => {
  const args = parseOptions(from.args, COPY);
  const { sources, target } = targetOf(args.operands, args.value('t', 'target-directory'));
  const lost = target === '/dev/null' || target.startsWith('/dev/');
  for (const source of sources) {
    const place = placeOf(source, from, host.workspaces);
    if (lost || place === 'root' || place === 'home' || place === 'system') deletes(source, true, from, host);
    else if (place === 'secret') host.find('HIGH', 'delete-secret', `moves “${shown(source)}”, where keys are`);
  }
  return copy(from, host);
};

const permissions: Handlers[string] = (from, host) => {
  const args = parseOptions(from.args, {
    valued: ['reference'],
    long: ['recursive', 'changes', 'silent', 'quiet', 'verbose'],
  });
  const minus = from.args.find((arg) => /^-[rwxXst]+$/.test(arg) && !/^-R$/.test(arg));
  const [mode = '', ...paths] = minus === undefined ? args.operands : [minus, ...args.operands];
  const recursive = args.has('R', 'recursive');
  const open =
    /(^|,)[ugo]*[ao][ugo]*[+=][rwxXst]*w/.test(mode) ||
    (/^0?[0-7]?777$|^0?[0-7]?666$|^(a|o|ugo|go)?\+?[=+]?r?w?x*$/.test(mode) && /777|666|(^|[ao])[+=][rx]*w/.test(mode));
  for (const path of paths) {
    const place = placeOf(path, from, host.workspaces);
    const text = shown(path);
    if (recursive && (place === 'root' || place === 'home' || place === 'system'))
      host.find('CRITICAL', 'permissions-system', `changes the permissions of everything in “${text}”`);
    else if (place === 'secret' && /^0?[4-7]00$|^(go|og|o|g)?-[rwx]+$|^(u=rwx?,)?go=$/.test(mode)) continue;
    else if (place === 'system' || place === 'secret' || place === 'root' || place === 'device')
      host.find(
        whyFatal(absolute(path, from.scope)) === null ? 'HIGH' : 'CRITICAL',
        'permissions-system',
        `changes the permissions of “${text}”`,
      );
  }
  if (open) host.find('HIGH', 'permissions-open', `chmod ${mode} lets every user write`);
  if (
    /^[0-7]?[4-7][0-7]{3}$|[ugo]*[+=][rwxX]*s/.test(mode) &&
    !/^0[0-7]{3}$/.test(mode) &&
    (/s/.test(mode) || (mode.length >= 4 && Number(mode.at(-4)) >= 2))
  )
    host.find('CRITICAL', 'setuid', `chmod ${mode} makes a program run as its owner`);
  return '';
};

const owner: Handlers[string] = (from, host) => {
  const args = parseOptions(from.args, { valued: ['reference', 'from'] });
  for (const path of args.operands.slice(args.value('reference') === undefined ? 1 : 0)) {
    const place = placeOf(path, from, host.workspaces);
    if (place === 'root' || place === 'home' || place === 'system')
      host.find(
        args.has('R', 'recursive') && place !== 'home' ? 'CRITICAL' : 'HIGH',
        'owner-system',
        `changes the owner of “${shown(path)}”`,
      );
    else if (place === 'secret' || place === 'unknown')
      host.find('MEDIUM', 'owner-system', `changes the owner of “${shown(path)}”`);
  }
  return '';
};

const overwrite: Handlers[string] = (from, host) => {
  const args = parseOptions(from.args, { valued: ['n', 'iterations', 's', 'size', 'random-source'] });
  for (const path of args.operands) deletes(path, from.name !== 'truncate' || args.has('R'), from, host);
  return '';
};

const dd: Handlers[string] = (from, host) => {
  const value = (name: string) => from.args.find((arg) => arg.startsWith(`${name}=`))?.slice(name.length + 1);
  const target = value('of');
  const source = value('if');
  if (target !== undefined) {
    const path = absolute(target, from.scope);
    if (path.startsWith(HOLE))
      host.find('HIGH', 'write-unknown', `dd writes to “${shown(target)}”, which cannot be seen here`);
    else if (path.startsWith('/dev/') && !/^\/dev\/(null|stdout|stderr|zero|fd)/.test(path))
      host.find('CRITICAL', 'write-device', `dd writes over the device “${shown(target)}”`);
    else if (['root', 'system', 'home'].includes(placeOf(target, from, host.workspaces)))
      host.find('HIGH', 'write-protected', `dd writes over “${shown(target)}”`);
    else writes(path, from, host);
    if (/^\/dev\/(zero|u?random)$/.test(source ?? '') && value('count') === undefined)
      host.find('HIGH', 'exhaust', 'fills the disk');
    from.scope.files.set(path, source === undefined ? from.stdin : readable(absolute(source, from.scope), from));
    return '';
  }
  return source === undefined ? from.stdin : readable(absolute(source, from.scope), from);
};

/** What a file holds, as far as the text shows it. */
export function readable(path: string, { scope }: Pick<Invocation, 'scope'>): string {
  return contentOf(path, scope);
}

export function contentOf(path: string, scope: Invocation['scope']): string {
  const written = scope.files.get(path);
  if (written !== undefined) return written;
  if (isSecretPath(path))
    return /\/\.env(\.(local|test|dev|development))?$/.test(path) && path.startsWith(`${scope.cwd}/`)
      ? ENVIRONMENT
      : SECRET;
  if (/^\/dev\/(zero|null|random|urandom)$/.test(path)) return NAME;
  if (/^\/dev\/(tcp|udp)\//.test(path)) return DOWNLOAD;
  if (/^\/(var\/)?run\/.*\.pid$/.test(path)) return PROCESSES;
  return HOLE;
}

const tee: Handlers[string] = (from, host) => {
  const args = parseOptions(from.args);
  for (const path of args.operands) {
    const whole = absolute(path, from.scope);
    writes(whole, from, host, from.stdin);
    from.scope.files.set(whole, from.stdin);
  }
  return from.stdin;
};

const link: Handlers[string] = (from, host) => {
  const args = parseOptions(from.args, COPY);
  const { target } = targetOf(args.operands, args.value('t', 'target-directory'));
  writes(absolute(target, from.scope), from, host);
  const [source = ''] = args.operands;
  const path = absolute(source, from.scope);
  if (isSecretPath(path)) from.scope.files.set(absolute(target, from.scope), SECRET);
  return '';
};

const attributes: Handlers[string] = (from, host) => {
  const operands = from.args.filter((arg) => !/^[-+=]/.test(arg));
  for (const path of operands) {
    const place = placeOf(path, from, host.workspaces);
    if (place !== 'workspace' && place !== 'scratch')
      host.find('HIGH', 'attributes', `changes what may be done to “${shown(path)}”`);
  }
  return '';
};

const make: Handlers[string] = (from, host) => {
  const args = parseOptions(from.args, { valued: ['m', 'mode', 'r', 'd', 't', 'date', 'reference'] });
  for (const path of args.operands) {
    const whole = absolute(path, from.scope);
    if (from.name === 'touch' && whyProtected(whole) !== null) writes(whole, from, host);
  }
  return '';
};

export const files: Handlers = {
  ...named('rm unlink rmdir trash srm', remove),
  ...named('shred wipe scrub truncate', overwrite),
  ...named('cp install gcp ditto', copy),
  ...named('mv gmv rename', move),
  ...named('chmod gchmod', permissions),
  ...named('chown chgrp', owner),
  ...named('chattr setfattr setfacl', attributes),
  ...named('touch mkdir mkfifo', make),
  dd,
  tee,
  ln: link,
};

/** git: history that is lost for good, and commands that git itself starts. */
import { parseOptions } from '../shell/arguments.ts';
import { type Handler, type Handlers, type Host, type Invocation, named } from '../shell/invocation.ts';
import { HOLE, NAME, SECRET, showsSecrets, shown } from '../shell/marks.ts';
import { absolute } from '../shell/names.ts';
import { isSecretPath, placeOf } from './paths.ts';

const GLOBAL = ['C', 'c', 'git-dir', 'work-tree', 'namespace', 'exec-path', 'config-env'];
const SHARED =
  /^(\+?(refs\/heads\/)?|[^:]*:(refs\/heads\/)?)(main|master|trunk|develop|development|production|prod|release.*|stable|staging)$/;
/** Settings whose value git runs. */
const RUN_SETTINGS =
  /^(core\.(pager|editor|sshcommand|hookspath|fsmonitor|gitproxy|askpass)|pager\.|alias\.|credential\.helper|diff\.external|difftool\..*cmd|mergetool\..*cmd|filter\..*\.(clean|smudge|process)|sequence\.editor|gpg\.program|uploadpack\.|remote\..*\.(uploadpack|receivepack|vcs)|protocol\.ext)/i;

const git: Handler = (from, host) => {
  const top = parseOptions(from.args, { valued: GLOBAL, untilOperand: true });
  for (const [name, value] of top.all) if (name === 'c') setting(value, from, host);
  const folder = top.value('C');
  const here =
    folder === undefined
      ? from
      : {
          ...from,
          scope: Object.assign(Object.create(Object.getPrototypeOf(from.scope)), from.scope, {
            cwd: absolute(folder, from.scope),
          }),
        };
  const [command = '', ...args] = top.operands;
  const alias = top.all
    .filter(([name]) => name === 'c')
    .map(([, value]) => value)
    .find((value) => value.startsWith(`alias.${command}=`));
  if (alias !== undefined) return runAlias(alias.slice(alias.indexOf('=') + 1), args, from, host);
  const kept = from.scope.aliases.get(`git ${command}`);
  if (kept !== undefined && !COMMANDS[command]) return runAlias(kept, args, from, host);
  if (/^(push|fetch|remote|clone)$/.test(command) && args.some((arg) => arg.includes(SECRET)))
    host.find(
      command === 'push' ? 'CRITICAL' : 'MEDIUM',
      'exfiltrate',
      `puts secrets into an address or a name: git ${command}`,
    );
  return COMMANDS[command]?.({ ...here, name: command, args }, host) ?? outputOf(command);
};

function setting(value: string, from: Invocation, host: Host): void {
  const at = value.indexOf('=');
  const [name, text] = [value.slice(0, at), value.slice(at + 1)];
  if (!RUN_SETTINGS.test(name) || name.startsWith('alias.') || /^(true|false|cat|less.*|vim?|nano|code.*|)$/.test(text))
    return;
  if (/hookspath|fsmonitor/i.test(name) && text !== '/dev/null')
    host.find('HIGH', 'persistence', `git runs what is in ${shown(text)}`);
  else host.runText(text.replace(/^!/, ''), from);
}

function runAlias(text: string, args: readonly string[], from: Invocation, host: Host): string {
  if (text.startsWith('!')) return host.runText(`${text.slice(1)} ${args.join(' ')}`, from);
  return host.run(['git', ...text.split(/\s+/), ...args], from);
}

/** Names of files, branches and commits hold no more than names; a workspace's top is the workspace. */
function outputOf(command: string): string {
  return /^(rev-parse|symbolic-ref|describe|branch|tag|config|remote|merge-base|rev-list|hash-object|write-tree|ls-files|diff|status|log|show|ls-tree|for-each-ref|name-rev|stash|version|--version|worktree|grep)$/.test(
    command,
  )
    ? NAME
    : HOLE;
}

function lost(host: Host, what: string, args: readonly string[]): void {
  host.find('HIGH', 'git-history', `${what}: git ${shown(args.join(' '))}`);
}

const push: Handler = ({ args, scope }, host) => {
  const parsed = parseOptions(args, {
    valued: ['o', 'push-option', 'receive-pack', 'repo', 'exec'],
    long: ['force', 'force-with-lease', 'mirror', 'delete', 'prune', 'all', 'tags'],
  });
  const [target = '', ...refs] = parsed.operands;
  if (/^(https?|ssh|git):|^[\w.-]+@[\w.-]+:/.test(target) || scope.aliases.has('remote set-url'))
    host.find('MEDIUM', 'publish', `sends the history somewhere else: git push ${shown(args.join(' '))}`);
  const leased = parsed.has('force-with-lease') && !parsed.has('f', 'force');
  const plus = refs.filter((ref) => ref.startsWith('+'));
  const shared = refs.some((ref) => SHARED.test(ref));
  if (parsed.has('mirror', 'prune'))
    lost(host, 'makes the other side what this one is, branches included', ['push', ...args]);
  else if (parsed.has('d', 'delete') || refs.some((ref) => /^:./.test(ref))) {
    if (shared || refs.some((ref) => SHARED.test(ref.replace(/^:/, ''))))
      lost(host, 'deletes a shared branch', ['push', ...args]);
    else host.find('MEDIUM', 'git-history', `deletes a branch of the other side: git push ${shown(args.join(' '))}`);
  } else if (parsed.has('f', 'force') || plus.length > 0 || (leased && shared)) {
    lost(host, 'writes over the history of the other side', ['push', ...args]);
  }
  const exec = parsed.value('receive-pack', 'exec');
  return exec === undefined ? NAME : HOLE;
};

const reset: Handler = ({ args }, host) => {
  const parsed = parseOptions(args, { long: ['hard', 'soft', 'mixed', 'keep', 'merge'] });
  if (parsed.has('hard', 'merge', 'keep'))
    host.find(
      'MEDIUM',
      'git-changes',
      `throws away changes that are not committed: git reset ${shown(args.join(' '))}`,
    );
  return NAME;
};

const clean: Handler = (from, host) => {
  const parsed = parseOptions(from.args, {
    valued: ['e', 'exclude'],
    long: ['force', 'dry-run', 'interactive', 'quiet'],
  });
  if (parsed.has('n', 'dry-run', 'i', 'interactive') || !parsed.has('f', 'force')) return NAME;
  const place = placeOf('.', from, host.workspaces);
  const outside = place !== 'workspace' && place !== 'scratch' && !from.scope.cwd.startsWith(HOLE);
  if (outside) host.find('HIGH', 'delete-outside', `deletes what git does not know in “${shown(from.scope.cwd)}”`);
  else if (parsed.has('x', 'd', 'X'))
    host.find('MEDIUM', 'git-changes', `deletes files that git does not know: git clean ${shown(from.args.join(' '))}`);
  return NAME;
};

const checkout: Handler = ({ name, args }, host) => {
  const parsed = parseOptions(args, { valued: ['b', 'B', 's', 'source', 'orphan', 'c', 'C'] });
  const at = args.indexOf('--');
  const paths = at >= 0 ? args.slice(at + 1) : name === 'restore' ? parsed.operands : [];
  const all =
    paths.some((path) => /^(\.|\*|:\/|\/)$/.test(path)) ||
    (at < 0 && parsed.operands.length === 1 && parsed.operands[0] === '.');
  const staged = parsed.has('staged', 'S') && !parsed.has('worktree', 'W');
  if ((all && !staged) || parsed.has('f', 'force', 'discard-changes'))
    host.find(
      'MEDIUM',
      'git-changes',
      `throws away changes that are not committed: git ${name} ${shown(args.join(' '))}`,
    );
  return NAME;
};

const branch: Handler = ({ args }, host) => {
  const parsed = parseOptions(args, { long: ['delete', 'force', 'move', 'list'] });
  if (parsed.has('f', 'M', 'C') && parsed.operands.some((name) => SHARED.test(name)))
    lost(host, 'moves a shared branch', ['branch', ...args]);
  const forced = parsed.has('D') || (parsed.has('d', 'delete') && parsed.has('f', 'force'));
  const shared = parsed.operands.some((name) => SHARED.test(name) || name.includes(HOLE));
  if (forced && shared) lost(host, 'deletes a shared branch', ['branch', ...args]);
  else if (forced)
    host.find('MEDIUM', 'git-history', `deletes a branch, merged or not: git branch ${shown(args.join(' '))}`);
  else if (parsed.has('d', 'delete') && parsed.operands.some((name) => SHARED.test(name)))
    host.find('MEDIUM', 'git-history', `deletes a shared branch: git branch ${shown(args.join(' '))}`);
  return NAME;
};

const stash: Handler = ({ args }, host) => {
  if (args[0] === 'clear' || args[0] === 'drop')
    host.find(
      args[0] === 'clear' ? 'HIGH' : 'MEDIUM',
      'git-changes',
      `throws away what was put aside: git stash ${shown(args.join(' '))}`,
    );
  return NAME;
};

const rewrite: Handler = (from, host) => {
  lost(host, 'writes the history anew', [from.name, ...from.args]);
  for (const [index, arg] of from.args.entries())
    if (/^--(tree|index|msg|env|commit|parent|tag-name)-filter$/.test(arg))
      host.runText(from.args[index + 1] ?? '', from);
  return NAME;
};

const reflog: Handler = ({ args }, host) => {
  if (args[0] === 'expire' || args[0] === 'delete') lost(host, 'forgets where branches were', ['reflog', ...args]);
  return NAME;
};

const readTree: Handler = ({ args }, host) => {
  if (args.some((arg) => /^(--reset|-u)$/.test(arg)))
    lost(host, 'throws away what is in the folder', ['read-tree', ...args]);
  return NAME;
};

const tag: Handler = ({ args }, host) => {
  const parsed = parseOptions(args, { valued: ['m', 'F', 'u', 'message', 'file'], long: ['delete', 'force', 'list'] });
  const several = parsed.operands.length > 2 || parsed.operands.some((name) => /[\uE000\uE001*]/.test(name));
  if (parsed.has('d', 'delete') && several) lost(host, 'deletes tags', ['tag', ...args]);
  else if (parsed.has('f', 'force'))
    host.find('MEDIUM', 'git-history', `moves a tag: git tag ${shown(args.join(' '))}`);
  return NAME;
};

const add: Handler = (from, host) => {
  const { scope } = from;
  const named = from.args.some((arg) => isSecretPath(absolute(arg, scope)));
  const copied = [...scope.files].some(([path, content]) => showsSecrets(content) && path.startsWith(`${scope.cwd}/`));
  if (named || copied) host.find('HIGH', 'exfiltrate', 'puts keys, tokens or passwords into the history');
  return '';
};

const remote: Handler = ({ args, scope }, host) => {
  if (args[0] === 'set-url') scope.aliases.set('remote set-url', '');
  if (/^(prune|remove|rm)$/.test(args[0] ?? '') && args[1] === 'origin' && args[0] !== 'prune')
    host.find('MEDIUM', 'git-history', `forgets where the history is shared: git remote ${shown(args.join(' '))}`);
  return NAME;
};

const gc: Handler = ({ name, args }, host) => {
  if (
    (args.some((arg) => /^--prune(=now|=all)?$/.test(arg)) && args.some((arg) => /now|all/.test(arg))) ||
    (name === 'prune' && args.some((arg) => arg.startsWith('--expire')))
  )
    lost(host, 'deletes commits that nothing points to', [name, ...args]);
  return NAME;
};

const updateRef: Handler = ({ args }, host) => {
  if (args.some((arg) => arg === '-d' || arg === '--stdin' || SHARED.test(arg)))
    lost(host, 'deletes a reference', ['update-ref', ...args]);
  return NAME;
};

const config: Handler = (from, host) => {
  const args = parseOptions(from.args, { valued: ['f', 'file', 'blob', 'type'] });
  const [name = '', ...value] = args.operands[0] === 'set' ? args.operands.slice(1) : args.operands;
  if (value.length === 0 || args.has('get', 'get-all', 'list', 'l', 'unset')) return NAME;
  const text = value.join(' ');
  if (/^core\.(hookspath|fsmonitor)$/i.test(name))
    host.find('HIGH', 'persistence', `git runs what is in ${shown(text)}`);
  else if (/^core\.(sshcommand|gitproxy|askpass)$/i.test(name) && !/^ssh(\s|$)/.test(text))
    host.find('HIGH', 'persistence', `git runs ${shown(text)}`);
  else if (/sslverify$/i.test(name) && /^(false|0|no)$/i.test(text))
    host.find('HIGH', 'insecure', 'git does not check any more whom it talks to');
  else if (/^remote\..*\.push$/i.test(name) && text.startsWith('+'))
    lost(host, 'makes every push a forced one', ['config', name, text]);
  else if (/^(credential\.(.*\.)?helper|filter\..*\.(clean|smudge|process))$/i.test(name) && /^[!/~]/.test(text))
    host.find('HIGH', 'persistence', `git runs ${shown(text)}`);
  else if (name.startsWith('alias.') && text.startsWith('!')) {
    if (args.has('global', 'system')) host.find('MEDIUM', 'persistence', `git runs ${shown(text)}`);
    host.runText(text.slice(1), from);
  } else if (name.startsWith('alias.')) from.scope.aliases.set(`git ${name.slice(6)}`, text);
  else if (RUN_SETTINGS.test(name)) setting(`${name.startsWith('alias.') ? 'core.pager' : name}=${text}`, from, host);
  return '';
};

/** `rebase -x`, `bisect run`, `submodule foreach`, `for-each-ref`: what follows is a command. */
const runs: Handler = (from, host) => {
  const { name, args } = from;
  const at =
    name === 'rebase'
      ? args.findIndex((arg) => /^(-x|--exec)$/.test(arg))
      : args.findIndex((arg) => /^(run|foreach)$/.test(arg));
  const inline = args.find((arg) => arg.startsWith('--exec='));
  if (inline !== undefined) host.runText(inline.slice(7), from);
  if (name === 'submodule' && args[0] === 'deinit' && args.some((arg) => /^(-f|--force|--all)$/.test(arg)))
    host.find(
      'MEDIUM',
      'git-changes',
      `throws away submodules with their changes: git submodule ${shown(args.join(' '))}`,
    );
  if (name === 'rebase' && args.includes('--root')) lost(host, 'writes all of the history anew', ['rebase', ...args]);
  if (name === 'rebase' && args.includes('--onto') && SHARED.test(args.at(-1) ?? ''))
    lost(host, 'writes the history of a shared branch anew', ['rebase', ...args]);
  if (at < 0) return NAME;
  const command = args.slice(at + 1).filter((arg, index) => !(index === 0 && arg === '--recursive'));
  if (name === 'bisect') host.run(command, from);
  else host.runText(name === 'rebase' ? (command[0] ?? '') : command.join(' '), from);
  return NAME;
};

const clone: Handler = (from, host) => {
  for (const arg of from.args) if (arg.startsWith('ext::')) host.runText(arg.slice(5), from);
  const upload = parseOptions(from.args, { valued: ['u', 'upload-pack', 'c', 'config', 'b', 'branch', 'depth', 'o'] });
  const program = upload.value('u', 'upload-pack');
  if (program !== undefined) host.runText(program, from);
  for (const [name, value] of upload.all) if (name === 'c' || name === 'config') setting(value, from, host);
  return '';
};

const remove: Handler = ({ args }, host) => {
  const parsed = parseOptions(args);
  if (parsed.has('r') && parsed.has('f', 'force') && !parsed.has('cached'))
    host.find('MEDIUM', 'git-changes', `deletes a folder with its changes: git rm ${shown(args.join(' '))}`);
  if (parsed.has('r') && !parsed.has('cached') && parsed.operands.some((path) => /^(\.|\*|\/)$/.test(path)))
    host.find('HIGH', 'delete-workspace', `deletes everything in the workspace: git rm ${shown(args.join(' '))}`);
  return NAME;
};

const credential: Handler = ({ args }) => (args[0] === 'fill' ? SECRET : NAME);

const revParse: Handler = ({ args, scope }, host) =>
  args.includes('--show-toplevel') ? (host.workspaces[0] ?? scope.cwd) : NAME;

const worktree: Handler = ({ args }, host) => {
  if (args[0] === 'remove' && args.some((arg) => /^(-f|--force)$/.test(arg)))
    host.find('MEDIUM', 'git-changes', `deletes a worktree with its changes: git worktree ${shown(args.join(' '))}`);
  return NAME;
};

const COMMANDS: Handlers = {
  push,
  reset,
  clean,
  branch,
  stash,
  reflog,
  config,
  clone,
  worktree,
  add,
  tag,
  remote,
  'read-tree': readTree,
  lfs: ({ args }, host) => {
    if (args[0] === 'prune' && args.some((arg) => /force|--verify-unreachable/.test(arg)))
      host.find('MEDIUM', 'git-history', `deletes large files: git lfs ${shown(args.join(' '))}`);
    return NAME;
  },
  rm: remove,
  credential,
  'rev-parse': revParse,
  'update-ref': updateRef,
  ...named('checkout restore switch', checkout),
  ...named('filter-branch filter-repo', rewrite),
  ...named('gc prune', gc),
  ...named('rebase bisect submodule', runs),
  ...named('fetch pull ls-remote', clone),
};

const gh: Handler = ({ args }, host) => {
  const text = args.join(' ');
  if (text.startsWith('auth token') || /^auth status .*(-t|--show-token)/.test(text)) return SECRET;
  if (
    /^(repo|release|secret|variable|ssh-key|gpg-key|cache|run|gist|label|project|codespace|workflow) (delete|remove|disable|archive)|^repo (edit .*visibility|rename|deploy-key)|^api .*(-X|--method)[ =]?DELETE|^secret set/.test(
      text,
    )
  )
    host.find(
      /^(repo|api|secret) /.test(text) ? 'HIGH' : 'MEDIUM',
      'forge',
      `changes what others share: gh ${shown(text)}`,
    );
  return HOLE;
};

export const gits: Handlers = { git, ...named('gh glab', gh), 'git-filter-repo': rewrite, ...named('bfg', rewrite) };

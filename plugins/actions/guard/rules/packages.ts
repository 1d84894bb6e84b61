/** Package managers and build tools: what is installed from where, published, removed, and what they run. */
import { parseOptions } from '../shell/arguments.ts';
import { type Handler, type Handlers, type Host, type Invocation, named } from '../shell/invocation.ts';
import { DOWNLOAD, isOpaque, NAME, shown } from '../shell/marks.ts';
import { absolute } from '../shell/names.ts';
import { runsDestructiveTask } from './databases.ts';
import { contentOf } from './files.ts';

const KNOWN_INDEX =
  /^https?:\/\/((www\.|test\.)?pypi\.org|files\.pythonhosted\.org|download\.pytorch\.org|registry\.(npmjs\.org|yarnpkg\.com)|npm\.pkg\.github\.com)(\/|$)/;
const KNOWN_GIT = /^(git\+)?(https?|ssh|git):\/\/([^/@]*@)?(github\.com|gitlab\.com|bitbucket\.org)\//;

const pip: Handler = ({ name, args }, host) => {
  const parsed = parseOptions(args, {
    valued: [
      'r',
      'i',
      'e',
      'c',
      'index-url',
      'extra-index-url',
      'f',
      'find-links',
      'requirement',
      'constraint',
      't',
      'target',
      'trusted-host',
      'python',
    ],
  });
  const at = parsed.operands.indexOf('install');
  if (at < 0 && !parsed.operands.includes('run')) return NAME;
  const text = shown(args.join(' '));
  const urls = parsed.operands.filter((operand) =>
    /^(git\+|https?:|svn\+|hg\+)/.test(operand.replace(/^.*@\s*(?=git\+|https?:)/, '')),
  );
  const indexes = [
    parsed.value('i', 'index-url'),
    parsed.value('extra-index-url'),
    parsed.value('f', 'find-links'),
  ].filter((url) => url !== undefined);
  if (
    urls.some((url) => !KNOWN_GIT.test(url)) ||
    indexes.some((url) => /^https?:/.test(url) && !KNOWN_INDEX.test(url)) ||
    parsed.has('trusted-host')
  )
    host.find('HIGH', 'install-from', `installs from a place that is no known registry: ${name} ${text}`);
  else if (parsed.operands.some(isOpaque) && parsed.operands.some((operand) => operand.includes(DOWNLOAD)))
    host.find('HIGH', 'install-from', `installs what comes over the network: ${name} ${text}`);
  if (parsed.has('break-system-packages'))
    host.find('MEDIUM', 'install', `changes the system's own packages: ${name} ${text}`);
  return NAME;
};

/** Scripts that this very text has put into package.json. */
function runScripts(args: readonly string[], from: Invocation, host: Host): void {
  const [verb = '', what] = args;
  for (const [, text = ''] of args
    .slice(1)
    .join('\n')
    .matchAll(/^scripts\.[\w:.-]+=(.*)$/gm))
    if (verb === 'pkg') host.runText(text.replace(/^(['"])(.*)\1$/, '$2'), from);
  const written = from.scope.files.get(absolute('package.json', from.scope));
  if (written === undefined || !/^(test|start|run|run-script|install|i|ci|t|publish)$/.test(verb)) return;
  for (const [, name = '', text = ''] of written.matchAll(/"([\w:.-]+)"\s*:\s*"((?:[^"\\]|\\.)*)"/g))
    if (what === undefined || !verb.startsWith('run') || name.endsWith(what))
      host.runText(text.replaceAll('\\"', '"'), from);
}

const node: Handler = (from, host) => {
  const { name, args } = from;
  runScripts(args, from, host);
  const parsed = parseOptions(args, {
    valued: [
      'w',
      'C',
      'prefix',
      'registry',
      'workspace',
      'p',
      'package',
      'c',
      'call',
      'filter',
      'F',
      'cwd',
      'tag',
      'otp',
      'userconfig',
    ],
    untilOperand: false,
  });
  const [verb = '', ...rest] = parsed.operands;
  const text = shown(args.join(' '));
  if (
    /^(publish|unpublish|deprecate|owner|access|token|dist-tag|logout|adduser)$/.test(verb) &&
    !parsed.has('dry-run') &&
    !(verb === 'dist-tag' && rest[0] === 'ls')
  )
    host.find('HIGH', 'publish', `changes what others install: ${name} ${text}`);
  if (/^(i|install|add|ci|in|isntall|exec|dlx|x)$/.test(verb) || name === 'npx' || name === 'bunx') {
    const registry = parsed.value('registry');
    const odd = [...rest, verb].some(
      (operand) =>
        (/^https?:/.test(operand) &&
          !KNOWN_INDEX.test(operand) &&
          !/^https?:\/\/(github|codeload\.github|gitlab)\.com\//.test(operand)) ||
        (/^git(\+\w+)?:/.test(operand) && !KNOWN_GIT.test(operand)),
    );
    if (odd || (registry !== undefined && !KNOWN_INDEX.test(registry) && !/localhost|127\.0\.0\.1/.test(registry)))
      host.find('HIGH', 'install-from', `installs from a place that is no known registry: ${name} ${text}`);
  }
  if (
    verb === 'config' &&
    rest[0] === 'set' &&
    /strict-ssl\W+false|registry|script-shell|ignore-scripts\W+false|_auth/.test(args.join(' '))
  )
    host.find('HIGH', 'install-from', `changes where packages come from: ${name} ${text}`);
  const call = parsed.value('c', 'call');
  if (call !== undefined && /^(npx|npm|bunx)$/.test(name)) host.runText(call, from);
  const at = args.indexOf('--');
  if (
    (verb === 'exec' || name === 'npx' || name === 'bunx' || verb === 'dlx' || verb === 'x') &&
    !runsDestructiveTask(args)
  ) {
    const command =
      at >= 0
        ? args.slice(at + 1)
        : name === 'npx' || name === 'bunx'
          ? [verb, ...args.slice(args.indexOf(verb) + 1)]
          : rest;
    if (command.length > 0 && command[0] !== '' && LOCAL_PROGRAMS.test(command[0] ?? '')) host.run(command, from);
  }
  if (runsDestructiveTask(args)) host.find('HIGH', 'database', `deletes all of a database: ${name} ${text}`);
  return NAME;
};

/** Programs that a package runner starts and that do what their names say. */
const LOCAL_PROGRAMS =
  /^(rimraf|del-cli|shx|rm|sh|bash|prisma|sequelize|knex|typeorm|wrangler|vercel|netlify|firebase|supabase|drizzle-kit)$/;

/** `rimraf dist`, `shx rm -rf dist`. */
const rimraf: Handler = (from, host) =>
  host.run(['rm', '-rf', ...from.args.filter((arg) => !arg.startsWith('-'))], from);
const shx: Handler = (from, host) => host.run(from.args, from);

const system: Handler = ({ name, args, how }, host) => {
  const text = args.join(' ');
  if (
    /(^|\s)(-y|--yes|--noconfirm|-f|-qq|-S\w*|install|remove|purge|autoremove|erase|upgrade|dist-upgrade|full-upgrade|update|del|add|-i|-r|-P|--purge|-R\w*|-U|-e|swap|downgrade)(\s|$)/.test(
      text,
    ) &&
    !/^(search|show|list|info|policy|-[lLsSqQ]|--list|--help|check-update|cache search|why|depends|provides|which|-\w*s |--simulate|--dry-run|-Q\w*|-Ss|-Si)/.test(
      text,
    ) &&
    !/--dry-run|--simulate|--just-print|(^|\s)-s(\s|$)/.test(text)
  ) {
    const removes = /(^|\s)(remove|purge|autoremove|erase|del|-r|-P|--purge|-R\w*|-e)(\s|$)/.test(text);
    if (/(^|\s)(update)(\s|$)/.test(text) && !removes && /^(apt|apt-get|apk|brew)$/.test(name)) return NAME;
    const core =
      /\b(libc6?|glibc|systemd|bash|coreutils|dpkg|apt|linux-image\S*|kernel|openssh-server|sudo|init|python3)\b/.test(
        text,
      );
    if (removes)
      host.find(core ? 'CRITICAL' : 'HIGH', 'install', `removes packages of this machine: ${name} ${shown(text)}`);
    else if (/allow-unauthenticated|--force-yes|--nogpgcheck|--no-gpg-checks|--allow-untrusted|https?:\/\//.test(text))
      host.find('HIGH', 'install-from', `installs without knowing from whom: ${name} ${shown(text)}`);
    else if (how.elsewhere === null && name !== 'brew')
      host.find('MEDIUM', 'install', `changes the packages of this machine: ${name} ${shown(text)}`);
  }
  return NAME;
};

const publish: Handler = ({ name, args }, host) => {
  const text = args.join(' ');
  const publishes =
    /(^|\s)(publish|upload|yank|push|deploy|release|owner|unpublish|retire)(\s|$)/.test(text) &&
    !/--dry-run|(^|\s)-n(\s|$)|--snapshot/.test(text);
  if (
    publishes &&
    !/^(go\b|dotnet build|mvn (test|verify|package|compile|clean|install))/.test(`${name} ${text}`) &&
    PUBLISHERS.has(name)
  )
    host.find('HIGH', 'publish', `changes what others install: ${name} ${shown(text)}`);
  if (/--git\s+https?:\/\/(?!github\.com|gitlab\.com)|--index\s|--registry\s+https?/.test(text))
    host.find('HIGH', 'install-from', `installs from a place that is no known registry: ${name} ${shown(text)}`);
  return NAME;
};

const PUBLISHERS = new Set([
  'cargo',
  'gem',
  'twine',
  'poetry',
  'flit',
  'hatch',
  'uv',
  'mvn',
  'mvnw',
  'gradle',
  'gradlew',
  'dotnet',
  'nuget',
  'goreleaser',
  'hex',
  'vsce',
  'ovsx',
  'pdm',
]);

const firebase: Handler = ({ name, args }, host) => {
  const text = args.join(' ');
  if (
    /(^|\s)(delete|remove|rm|destroy|database:remove|firestore:delete|rollback|env:rm|domains rm|projects? (rm|delete))(\s|$)|(:|\s)(delete|remove)(\s|$)/.test(
      text,
    )
  )
    host.find('HIGH', 'cloud', `deletes what runs there: ${name} ${shown(text)}`);
  else if (/(^|\s)(deploy|--prod|publish)(\s|$)/.test(text) && /--prod|production|deploy/.test(text))
    host.find('MEDIUM', 'cloud', `changes what others see: ${name} ${shown(text)}`);
  return NAME;
};

const make: Handler = (from, host) => {
  if (runsDestructiveTask(from.args))
    host.find('HIGH', 'database', `deletes all of a database: make ${shown(from.args.join(' '))}`);
  const parsed = parseOptions(from.args, { valued: ['f', 'C', 'j', 'file', 'directory', 'eval', 'I', 'o'] });
  const file = parsed.value('f', 'file');
  const text =
    file === '-'
      ? from.stdin
      : contentOf(
          absolute(file ?? (/^(just|task)$/.test(from.name) ? `${from.name}file` : 'Makefile'), from.scope),
          from.scope,
        );
  for (const [, recipe = ''] of text.matchAll(/\n(?:\t| {2,})[@-]*([^\n]*)/g)) host.runText(recipe, from);
  const evaluated = parsed.value('eval');
  for (const [, inner = '', recipe = ''] of (evaluated ?? '').matchAll(/\$\(shell ([^)]*)\)|:[^;\n]*;\s*([^\n]*)/g))
    host.runText(inner === '' ? recipe : inner, from);
  if (parsed.has('n', 'dry-run', 'just-print', 'q')) return NAME;
  if (
    parsed.operands.some((target) =>
      /^(destroy|nuke|wipe|purge|obliterate|drop-db|db-drop|db-reset|reset-db)([-_](prod|all|everything|db|data|database|cluster|infra|production)\w*)?$/.test(
        target,
      ),
    )
  )
    host.find('MEDIUM', 'task', `a task whose name says that it destroys: make ${shown(from.args.join(' '))}`);
  return NAME;
};

export const packages: Handlers = {
  make,
  rimraf,
  shx,
  ...named('gmake just task', make),
  ...named('pip pip2 pip3 pipx uvx', pip),
  ...named('npm npx pnpm yarn bunx pnpx', node),
  ...named(
    'apt apt-get aptitude dpkg yum dnf microdnf zypper pacman apk rpm snap flatpak brew port emerge xbps-install xbps-remove pkg nix-env',
    system,
  ),
  ...named(
    'cargo gem twine poetry flit hatch uv mvn mvnw gradle gradlew dotnet nuget goreleaser vsce ovsx pdm',
    publish,
  ),
  ...named('firebase vercel netlify wrangler serverless sls', firebase),
  ...named('composer bundle', (from) => (from.args[0] === 'exec' ? undefined : NAME)),
};

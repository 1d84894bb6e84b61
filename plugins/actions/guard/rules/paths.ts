/** What a path is to whoever deletes, writes or reads it. */
import { globRegex } from '../shell/words.ts';
import { HOLE, isOpaque, NAME, SECRET } from '../shell/marks.ts';
import { absolute } from '../shell/names.ts';
import type { Invocation } from '../shell/invocation.ts';

/** From what is lost by deleting it. */
export type Place = 'root' | 'system' | 'home' | 'device' | 'secret' | 'other' | 'workspace' | 'scratch' | 'unknown';

/** Folders of a system, directly below the root. */
const TOP = new Set(
  'bin boot dev etc home lib lib32 lib64 libx32 media mnt opt proc root run sbin srv sys usr var Users Library System Applications'.split(
    ' ',
  ),
);
/** Those whose content is the system's. */
const SYSTEM =
  /^\/(bin|boot|etc|lib|lib32|lib64|libx32|sbin|sys|proc|usr|var|opt|srv|Library|System|Applications|private\/etc)(\/|$)/;
const SCRATCH =
  /^(\/tmp|\/var\/tmp|\/dev\/shm|\/private\/tmp|\/var\/folders|\/run\/user\/[^/]+)\/([^/*?]|[*?][^/]*[A-Za-z0-9])/;
/** What is made anew by the next build or download, wherever it lies. */
const REMADE =
  /(^|\/)(node_modules|dist|build|out|target|coverage|__pycache__|\.pytest_cache|\.mypy_cache|\.ruff_cache|\.venv|venv|\.tox|\.next|\.nuxt|\.turbo|\.cache|\.gradle|\.parcel-cache|\.terraform|\.eggs|\.nyc_output|_cacache|DerivedData|obj|logs?|tmp|temp)(\/|$)/;
const HOME_OF = /^\/(?:home|Users)\/[^/]+$/;
/** Keys, tokens and passwords of a home or of the system. */
const SECRET_PATH =
  /(^|\/)(\.ssh(\/(?!known_hosts|config$|[^/]*\.pub$).*)?$|\.gnupg(\/|$)|\.aws(\/(credentials|config|sso|cli)|$)|\.kube\/config|\.docker(\/|$)|\.netrc$|\.pgpass$|\.my\.cnf$|\.npmrc$|\.pypirc$|\.git-credentials$|\.config\/(gcloud|gh|hub|op|rclone)(\/|$)|\.azure(\/|$)|\.vault-token$|\.password-store(\/|$)|\.local\/share\/keyrings|\.mozilla|\.config\/(google-chrome|chromium|BraveSoftware)|Library\/(Keychains|Application Support\/Google\/Chrome)|\.bitcoin|wallet\.dat$|\.bash_history$|\.zsh_history$|id_(rsa|dsa|ecdsa|ed25519)[*\uE001]*$|[^/]*\.(pem|pfx|p12|keystore|jks|kdbx)$|\.env(\.(local|prod|production|staging|dev|development))?$|\.terraform\.d\/credentials|terraform\.tfstate$|secrets?\.(ya?ml|json|env)$|credentials\.json$)|^\/etc\/(g?shadow|sudoers|ssh\/ssh_host_[^/]*_key|kubernetes\/(admin\.conf|pki))|^\/(var\/)?run\/secrets|^\/proc\/[^/]+\/(environ|mem)$|^\/root\/\.ssh/;

/** Where secrets are in every home, for patterns that mean them. */
const KNOWN_SECRETS = [
  '.ssh/id_rsa',
  '.ssh/id_ed25519',
  '.aws/credentials',
  '.kube/config',
  '.netrc',
  '.git-credentials',
  '.docker/config.json',
  '.npmrc',
  '.pgpass',
  '.gnupg/secring.gpg',
  '.config/gh/hosts.yml',
];

/** A pattern that one of them matches. */
function meansSecret(path: string): boolean {
  if (!/[*?[]/.test(path)) return false;
  const home = /^\/(?:root|(?:home|Users)\/[^/]+)/.exec(path)?.[0];
  const regex = home === undefined ? null : globRegex(path);
  return regex !== null && KNOWN_SECRETS.some((known) => regex.test(`${home}/${known}`));
}

export function isSecretPath(written: string): boolean {
  const path = written.replace(/^\/proc\/[^/]+\/root(?=\/)/, '');
  if (meansSecret(path)) return true;
  return (
    SECRET_PATH.test(path) &&
    !/\.pub$|(^|\/)[\w.-]*(cert|chain|public|pubkey|\bca)[\w-]*\.pem$|\.(example|sample|template|dist)$/.test(path)
  );
}

export function isDevice(path: string): boolean {
  return /^\/dev\/(sd|hd|vd|xvd|nvme|mmcblk|dm-|mapper\/|md|loop|disk|rdisk|ram|mem|kmem|port)/.test(path);
}

/** Where `path`, as an argument of this program, leads. */
export function placeOf(path: string, { scope, how }: Invocation, workspaces: readonly string[]): Place {
  if (path === '') return 'workspace';
  const whole = absolute(path, scope);
  const place = placeOfWhole(whole, scope.home, workspaces, path);
  // Another machine's workspace and folders for scratch are not known here.
  return how.elsewhere !== null && place === 'workspace' && path.startsWith('/') ? 'other' : place;
}

function placeOfWhole(whole: string, home: string, workspaces: readonly string[], written: string): Place {
  if (whole.startsWith(HOLE) || whole.startsWith(SECRET)) {
    // Relative, in a folder that nobody named: where the text runs is where it was meant to.
    if (/^\uE000\/[^\uE000/*?]/.test(whole) && !written.startsWith('/') && !isOpaque(written)) return 'workspace';
    return 'unknown';
  }
  if (isDevice(whole)) return 'device';
  if (isRoot(whole)) return 'root';
  const inside = workspaces.some((folder) => whole === folder || whole.startsWith(`${folder}/`));
  if (isHome(whole, home)) return 'home';
  if (isSecretPath(whole) && !inside) return 'secret';
  if (SCRATCH.test(whole)) return 'scratch';
  if (inside || (workspaces.length === 0 && !whole.startsWith('/'))) return 'workspace';
  if (SYSTEM.test(whole)) return 'system';
  if (
    REMADE.test(whole) &&
    (whole.startsWith(`${home}/`) || /^\/(home|Users|root|workspaces?|builds?|app|src|code|repo)\//.test(whole))
  )
    return 'scratch';
  return 'other';
}

/** The root, all of it, a folder directly below it, or a pattern that may be one. */
function isRoot(path: string): boolean {
  if (path === '/' || /^\/[*?\uE000\uE001.]+(\/|$)/.test(path)) return true;
  const [, first = '', ...rest] = path.split('/');
  const below = rest.join('/');
  const isAll = below === '' || /^[*?.\uE000\uE001{},]+$/.test(below);
  if (TOP.has(first)) return isAll && first !== 'tmp';
  if (!/[*?[\uE000\uE001]/.test(first)) return false;
  const regex = globRegex(first.replaceAll(/[\uE000\uE001]/g, '*'));
  return regex === null || [...TOP].some((folder) => regex.test(folder));
}

function isHome(path: string, home: string): boolean {
  const trimmed = path.replace(/\/[*.\uE000\uE001]+$/, '');
  return (
    trimmed === home ||
    HOME_OF.test(trimmed) ||
    trimmed === '/root' ||
    /^\/(home|Users)\/[*?\uE000\uE001]+$/.test(trimmed)
  );
}

/** Whether the path is a workspace itself, or all that is in it. */
export function isWholeWorkspace(path: string, { scope }: Invocation, workspaces: readonly string[]): boolean {
  const whole = absolute(path, scope).replace(/\/(\*|\.\*|\.\[!\.\]\*|\uE001)$/, '');
  return (
    workspaces.includes(whole) || workspaces.some((folder) => folder.startsWith(`${whole}/`)) || whole.endsWith('/.git')
  );
}

export function pathText(path: string): string {
  return path.replaceAll(HOLE, '…').replaceAll(NAME, '*');
}

/** Files that run something later, or decide who may do what. */
const PERSISTENT: readonly (readonly [RegExp, string])[] = [
  [/(^|\/)\.ssh\/(authorized_keys2?|rc|config|environment)$/, 'decides who may log in'],
  [
    /^\/etc\/(passwd|shadow|gshadow|group|sudoers|sudoers\.d\/.*|pam\.d\/.*|security\/.*|login\.defs|nsswitch\.conf)$/,
    'decides who may do what on this machine',
  ],
  [
    /^\/etc\/(ssh\/|ld\.so\.(preload|conf)|crontab|cron\.|cron\w*\/|anacrontab|systemd\/|init\.d\/|rc\.local|profile|bash\.bashrc|environment|inittab|xinetd|udev\/|modules|modprobe\.d\/|sysctl|apt\/|yum\.repos\.d\/|docker\/|kubernetes\/|hosts|resolv\.conf|fstab|NetworkManager\/|network\/|netplan\/|iptables|nftables|selinux\/|audit\/|logrotate\.d\/|skel\/|update-motd\.d\/|NetworkManager|ca-certificates|ssl\/)/,
    'belongs to the system',
  ],
  [/^\/(usr\/)?lib\/systemd\//, 'belongs to the system'],
  [/^\/var\/spool\/cron/, 'runs later by itself'],
  [/(^|\/)\.config\/(systemd\/user|autostart|fish\/config\.fish)/, 'runs later by itself'],
  [
    /(^|\/)\.(bash_aliases|vimrc|gvimrc|gdbinit|lldbinit|psqlrc|sqliterc|pythonrc|Rprofile|irbrc|pryrc|tmux\.conf|screenrc|lesskey|emacs|mailcap|xsessionrc|curlrc|wgetrc|bashrc|bash_profile|bash_login|bash_logout|profile|zshrc|zshenv|zprofile|zlogin|inputrc|xinitrc|xprofile|xsession|pam_environment|kshrc|cshrc|tcshrc|login)$/,
    'is run by every new shell',
  ],
  [
    /\/\.local\/(bin\/|lib\/python[^/]*\/site-packages\/.*\.pth$)|\/site-packages\/[^/]*\.pth$|\/(usercustomize|sitecustomize)\.py$/,
    'is run in place of something else',
  ],
  [
    /(^|\/)\.(config\/(nvim\/|pip\/)|ipython\/.*startup|jupyter\/|pip\/pip\.conf|cargo\/(config|env)|gem\/|m2\/settings\.xml|gradle\/init|docker\/cli-plugins)/,
    'is run by tools',
  ],
  [/(^|\/)Library\/Launch(Agents|Daemons)\//, 'runs later by itself'],
  [/(^|\/)\.git\/(hooks\/|config$)/, 'is run by git'],
  [/(^|\/)\.git\/(refs\/|HEAD$|packed-refs$|objects\/)/, 'is the history'],
  [/(^|\/)\.(gitconfig|config\/git\/config)$/, 'is run by git'],
  [
    /(^|\/)(\.claude\/settings(\.local)?\.json|\.claude\/hooks\/|\.gemini\/settings\.json|\.codex\/config\.toml|\.cursor\/(mcp|hooks)\.json|\.mcp\.json)$/,
    'decides what agents may do',
  ],
  [/(^|\/)\.claude\/hooks\//, 'decides what agents may do'],
  [/^\/proc\/(sys\/|sysrq-trigger|[^/]+\/(mem|oom_\w+|attr\/))/, 'changes the running kernel'],
  [/^\/sys\//, 'changes the running kernel'],
  [/release_agent$|core_pattern$/, 'leads out of a container'],
  [/^\/dev\/(tcp|udp)\/(?!localhost\/|127\.|::1\/)/, 'is a connection over the network'],
  [/^\/etc\//, 'belongs to the system'],
];

/** Why writing there must not go by unseen; null: it may. */
export function whyProtected(path: string): string | null {
  const found = PERSISTENT.find(([pattern]) => pattern.test(path));
  if (found) return found[1];
  if (/^\/(bin|sbin|lib|lib64|boot|usr|System|Library)\//.test(path) && !/^\/usr\/local\/(share|src|var)\//.test(path))
    return 'belongs to the system';
  return null;
}

/** What gives the machine away, or breaks it, when it is written. */
const FATAL: readonly (readonly [RegExp, string])[] = [
  [
    /^\/etc\/(passwd|shadow|gshadow|group|sudoers(\.d\/.*)?|pam\.d\/.*|security\/.*|ssh\/sshd_config(\.d\/.*)?)$/,
    'decides who may do what on this machine',
  ],
  [/^\/etc\/ld\.so\.(preload|conf)/, 'puts code into every program'],
  [/^\/root\/\.ssh\//, 'decides who may log in as root'],
  [/^\/etc\/polkit-1\//, 'decides who may do what on this machine'],
  [/release_agent$/, 'leads out of a container'],
  [/^\/proc\/(sysrq-trigger|1\/mem|kcore|sys\/kernel\/(core_pattern|modprobe))$/, 'commands the kernel'],
  [/^\/(boot|efi)\//, 'is what this machine starts'],
];

/** Below `/boot`, and files that decide who may do what. */
export function whyFatal(path: string): string | null {
  return FATAL.find(([pattern]) => pattern.test(path))?.[1] ?? null;
}

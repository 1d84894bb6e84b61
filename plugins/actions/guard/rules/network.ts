/** What is sent out, what is fetched, and shells that are handed to others. */
import { type Arguments, parseOptions } from '../shell/arguments.ts';
import { type Handler, type Handlers, type Host, type Invocation, named } from '../shell/invocation.ts';
import { DOWNLOAD, HOLE, NAME, SECRET, shown, VARIABLE } from '../shell/marks.ts';
import { absolute } from '../shell/names.ts';
import { addressProblem } from './addresses.ts';
import { contentOf, writes } from './files.ts';
import { isSecretPath } from './paths.ts';

const CURL = {
  valued:
    'X H d o u A b c e F T x m w r E K Y y z C D P Q U request header data data-raw data-binary data-urlencode data-ascii json output user user-agent cookie cookie-jar referer form form-string upload-file proxy max-time write-out range cert key cacert config url retry retry-delay connect-timeout resolve connect-to unix-socket abstract-unix-socket preproxy socks5 interface max-redirs url-query output-dir'.split(
      ' ',
    ),
};
const BODY = new Set(
  'd F T b data data-raw data-binary data-urlencode data-ascii json form form-string upload-file cookie url-query'.split(
    ' ',
  ),
);
/** A credential that is sent as one. */
const AUTHORIZING = new Set(['H', 'header', 'u', 'user', 'cert', 'key', 'E', 'K', 'config']);
const AUTHORIZING_HEADER =
  /^(authorization|proxy-authorization|cookie|x-[\w-]*(token|key|auth|secret)[\w-]*|[\w-]*(api-?key|token))\s*:/i;

/** What a `@file` in a request's body holds. */
function bodyContent(value: string, from: Invocation): string {
  const file = /(?:^|=)[@<](.+?)(?:;|$)/.exec(value)?.[1];
  if (file === undefined) return value;
  return file === '-' ? from.stdin : contentOf(absolute(file, from.scope), from.scope);
}

function urlsOf(args: Arguments): string[] {
  return [...args.operands, ...args.all.filter(([name]) => name === 'url').map(([, value]) => value)];
}

function checkUrls(urls: readonly string[], from: Invocation, host: Host): void {
  for (const url of urls) {
    const problem = addressProblem(url);
    if (problem !== null) host.find('HIGH', 'metadata', problem);
    if (url.includes(SECRET)) host.find('CRITICAL', 'exfiltrate', `puts secrets into an address: ${shown(url)}`);
  }
}

function isLocal(urls: readonly string[]): boolean {
  return (
    urls.length > 0 &&
    urls.every((url) => /^(https?:\/\/)?(localhost|127\.\d+\.\d+\.\d+|\[::1\]|0\.0\.0\.0)([:/]|$)/.test(url))
  );
}

const curl: Handler = (from, host) => {
  const args = parseOptions(from.args, CURL);
  const urls = urlsOf(args);
  checkUrls(urls, from, host);
  for (const [name, value] of args.all) {
    if (/^(u|user)$/.test(name) && value.replaceAll(VARIABLE, '').includes(SECRET))
      host.find('MEDIUM', 'credential', `puts secrets on the command line of ${from.name}`);
    if (BODY.has(name)) sends(name === 'T' || name === 'upload-file' ? `@${value}` : value, from, host, isLocal(urls));
    else if (
      (!AUTHORIZING.has(name) || (/^(H|header)$/.test(name) && !AUTHORIZING_HEADER.test(value))) &&
      value.includes(SECRET)
    )
      host.find('CRITICAL', 'exfiltrate', `sends secrets with ${from.name}`);
  }
  inspectRequest(args, urls, from, host);
  if (
    args.has('k', 'insecure') &&
    args.all.some(([name, value]) => AUTHORIZING.has(name) && /authorization|token|key|:/i.test(value))
  )
    host.find('MEDIUM', 'insecure', 'sends a credential without checking whom it goes to');
  for (const output of args.all.filter(([name]) => name === 'o' || name === 'output').map(([, value]) => value)) {
    if (output === '-') continue;
    const path = absolute(output, from.scope);
    writes(path, from, host, DOWNLOAD);
    from.scope.files.set(path, DOWNLOAD);
  }
  if (args.has('O', 'remote-name'))
    for (const url of urls) from.scope.files.set(absolute(lastPart(url), from.scope), DOWNLOAD);
  if (args.has('O', 'remote-name', 'o', 'output') && args.value('o', 'output') !== '-') return '';
  return urls.some((url) => addressProblem(url) !== null) ? SECRET : DOWNLOAD;
};

/** Where it goes by other ways than its address, and what it asks for there. */
function inspectRequest(args: Arguments, urls: readonly string[], from: Invocation, host: Host): void {
  const detours = args.all
    .filter(([name]) => /^(resolve|connect-to|x|proxy|preproxy|socks5)$/.test(name))
    .map(([, value]) => value);
  for (const detour of detours)
    for (const address of detour.match(/\d+\.\d+\.\d+\.\d+|\[[0-9a-f:]+\]/gi) ?? []) {
      const problem = addressProblem(address);
      if (problem !== null) host.find('HIGH', 'metadata', problem);
    }
  const socket = args.value('unix-socket', 'abstract-unix-socket') ?? '';
  if (/docker|containerd|podman|crio/.test(socket))
    host.find(
      'HIGH',
      'leave-container',
      `commands the daemon of containers: ${from.name} ${shown(from.args.join(' '))}`,
    );
  const method = (args.value('X', 'request') ?? '').toUpperCase();
  const text = urls.join(' ');
  if (method === 'DELETE' && (!isLocal(urls) || /:9200\/|_all|\*/.test(text)))
    host.find(
      isLocal(urls) || /_all|\*/.test(text) ? 'HIGH' : 'MEDIUM',
      'http-delete',
      `deletes what is at ${shown(text)}`,
    );
  else if (/_delete_by_query|_shutdown|\/_flush|_all\/_close/.test(text))
    host.find('HIGH', 'database', `deletes what is at ${shown(text)}`);
}

function sends(value: string, from: Invocation, host: Host, local = false): void {
  const content = bodyContent(value, from);
  if (content.includes(SECRET) && !local) host.find('CRITICAL', 'exfiltrate', `sends secrets out with ${from.name}`);
}

const WGET = {
  valued:
    'O o P U t T i e a B D header post-data post-file body-data body-file output-document output-file directory-prefix user password method execute timeout tries'.split(
      ' ',
    ),
};

const wget: Handler = (from, host) => {
  const args = parseOptions(from.args, WGET);
  checkUrls(args.operands, from, host);
  const file = args.value('post-file', 'body-file');
  if (file !== undefined) sends(`@${file}`, from, host);
  sends(args.value('post-data', 'body-data') ?? '', from, host);
  if (args.has('no-check-certificate') && args.value('header') !== undefined)
    host.find('MEDIUM', 'insecure', 'sends a credential without checking whom it goes to');
  const output = args.value('O', 'output-document');
  if (output === '-') return DOWNLOAD;
  const folder = args.value('P', 'directory-prefix') ?? '.';
  const paths = output === undefined ? args.operands.map((url) => `${folder}/${lastPart(url)}`) : [output];
  for (const each of paths) {
    const path = absolute(each, from.scope);
    if (output !== undefined || args.value('P', 'directory-prefix') !== undefined) writes(path, from, host, DOWNLOAD);
    from.scope.files.set(path, DOWNLOAD);
  }
  return '';
};

function lastPart(url: string): string {
  return (
    url
      .replace(/[?#].*$/, '')
      .replace(/\/+$/, '')
      .replace(/^.*\//, '') || 'index.html'
  );
}

const fetches: Handler = (from, host) => {
  checkUrls(
    from.args.filter((arg) => !arg.startsWith('-') && /[./]/.test(arg)),
    from,
    host,
  );
  for (const arg of from.args)
    if (arg.includes(SECRET)) host.find('CRITICAL', 'exfiltrate', `sends secrets out with ${from.name}`);
  sends(from.stdin, from, host);
  const saved = parseOptions(from.args, { valued: ['o', 'out', 'd', 'dir', 'output'] }).value('o', 'out', 'output');
  if (saved !== undefined) from.scope.files.set(absolute(saved, from.scope), DOWNLOAD);
  return DOWNLOAD;
};

const netcat: Handler = (from, host) => {
  const args = parseOptions(from.args, {
    valued: ['e', 'c', 'p', 's', 'w', 'i', 'q', 'exec', 'sh-exec', 'lua-exec', 'x', 'X', 'I', 'O', 'm'],
  });
  const program = args.value('e', 'c', 'exec', 'sh-exec', 'lua-exec');
  if (program !== undefined)
    host.find('CRITICAL', 'reverse-shell', `${from.name} gives whoever connects ${shown(program)}`);
  for (const arg of args.operands) {
    const problem = addressProblem(arg);
    if (problem !== null) host.find('HIGH', 'metadata', problem);
  }
  if (/^\s*(flushall|flushdb|shutdown)\b/im.test(from.stdin)) host.find('HIGH', 'database', 'takes all of a store');
  if (from.stdin.includes(SECRET)) host.find('CRITICAL', 'exfiltrate', `sends secrets out with ${from.name}`);
  // `nc host port | sh`, or a named pipe around a shell.
  return args.has('z') || args.has('h', 'help') ? NAME : DOWNLOAD;
};

const socat: Handler = (from, host) => {
  const text = from.args.join(' ');
  if (/(EXEC|SYSTEM|SHELL):/i.test(text))
    host.find('CRITICAL', 'reverse-shell', `socat gives a program to the network: ${shown(text)}`);
  if (/docker\.sock|containerd\.sock|crio\.sock/.test(text))
    host.find('HIGH', 'leave-container', 'hands on the socket of the daemon of containers');
  if (from.stdin.includes(SECRET)) host.find('CRITICAL', 'exfiltrate', 'sends secrets out with socat');
  return DOWNLOAD;
};

const openssl: Handler = (from, host) => {
  const [command = ''] = from.args;
  const key = from.args[from.args.indexOf('-in') + 1];
  if (from.args.includes('-in') && key !== undefined && isSecretPath(absolute(key, from.scope))) return SECRET;
  if (command === 's_client') {
    if (from.stdin.includes(SECRET)) host.find('CRITICAL', 'exfiltrate', 'sends secrets out with openssl');
    return DOWNLOAD;
  }
  if (
    /^(enc|base64|aes|rsautl|pkeyutl|smime|cms)/.test(command) &&
    from.args.includes('-d') &&
    !from.args.some((arg) => /base64|^-a$/.test(arg))
  )
    return HOLE;
  return undefined;
};

const SSH = { valued: 'b c D E e F I i J L l m O o p Q R S W w'.split(' '), untilOperand: true };

const ssh: Handler = (from, host) => {
  const args = parseOptions(from.args, SSH);
  for (const [name, value] of args.all) {
    if (name === 'o' && /(Proxy|Local)Command=(?!none)/i.test(value)) host.runText(value.replace(/^[^=]*=/, ''), from);
  }
  const trusting = args.all.filter(
    ([name, value]) => name === 'o' && /StrictHostKeyChecking=no|UserKnownHostsFile=\/dev\/null/i.test(value),
  );
  if (trusting.length > 1) host.find('MEDIUM', 'insecure', 'does not check which machine answers');
  if (args.has('R')) host.find('HIGH', 'tunnel', 'opens a port of another machine into this one');
  const [target = '', ...command] = args.operands;
  if (from.stdin.includes(SECRET)) host.find('CRITICAL', 'exfiltrate', `sends secrets to ${shown(target)}`);
  if (command.length > 0) host.runText(command.join(' '), from, { how: { elsewhere: target }, stdin: from.stdin });
  else if (/[a-z]{2}/i.test(from.stdin)) host.runText(from.stdin, from, { how: { elsewhere: target } });
  return HOLE;
};

/** `scp`, `rsync`, `sftp`: what goes to another machine. */
const copies: Handler = (from, host) => {
  const args = parseOptions(from.args, {
    valued: 'P i o F c l S J e rsh exclude include files-from exclude-from filter rsync-path bwlimit port'.split(' '),
  });
  const remote = (path: string): boolean => /^[^/]*:/.test(path) || path.startsWith('rsync://');
  const shell = args.value('e', 'rsh');
  if (shell !== undefined && from.name === 'rsync') host.runText(shell, from);
  const sources = args.operands.slice(0, -1);
  const target = args.operands.at(-1) ?? '';
  for (const source of sources) {
    const path = absolute(source, from.scope);
    if (remote(target) && !remote(source) && (isSecretPath(path) || contentOf(path, from.scope).includes(SECRET)))
      host.find('CRITICAL', 'exfiltrate', `sends “${shown(source)}” to ${shown(target)}`);
  }
  for (const [, path = ''] of from.stdin.matchAll(/^\s*(?:put|mput|reput)\s+(?:-\w+\s+)*(\S+)/gm))
    if (isSecretPath(absolute(path, from.scope))) host.find('CRITICAL', 'exfiltrate', `sends “${shown(path)}” out`);
  if (!remote(target) && target !== '') {
    const whole = absolute(target, from.scope);
    writes(whole, from, host);
    for (const source of sources.filter(remote)) {
      from.scope.files.set(whole, DOWNLOAD);
      from.scope.files.set(`${whole === '/' ? '' : whole}/${lastPart(source)}`, DOWNLOAD);
    }
  }
  const deleting = [...args.flags].some((flag) => /^(del|delete)/.test(flag));
  if (from.name === 'rsync' && deleting && !remote(target) && !args.has('n', 'dry-run'))
    host.run(['rm', '-r', target], from);
  return '';
};

const dns: Handler = (from, host) => {
  if (from.args.some((arg) => arg.includes(SECRET)))
    host.find('CRITICAL', 'exfiltrate', `sends secrets out in a name that ${from.name} asks for`);
  else if (from.args.some((arg) => arg.includes(`${HOLE}.`)))
    host.find('MEDIUM', 'exfiltrate', `asks for a name with something in it that cannot be seen here`);
  return NAME;
};

const firewall: Handler = (from, host) => {
  const { name, args } = from;
  const text = args.join(' ');
  const reads = FIREWALL_READS.some((pattern) => pattern.test(`${name} ${text}`));
  if (reads) return NAME;
  const opens = /(^|\s)(-F|--flush|flush|-X|disable|reset|--panic-on|-P\s+\w+\s+(ACCEPT|DROP)|delete\s+table)/.test(
    text,
  );
  host.find('HIGH', 'firewall', `${opens ? 'takes down' : 'changes'} the firewall: ${name} ${shown(text)}`);
  return '';
};

const FIREWALL_READS = [
  /^ip6?tables(-save)?( -t \w+)? (-[nvx]*[LS][nvx]*|--list\S*)/,
  /^ip6?tables-save/,
  /^ip6?tables.*(-L|--list|-S|-C|--check|--version|--help)/,
  /^nft (-\w+ )*(list|describe|--version|-v|--help|-c|--check)/,
  /^ufw (status|version|--version|show|app list|--help|--dry-run)/,
  /^firewall-cmd .*--(list|get|query|state|info|version|help|zone=\S+ --list)/,
  /^(ipset (list|save|-L)|ebtables -L)/,
];

const LINK_CHANGES = /^(link|l|addr|address|a|route|r|ro|rule|neigh|netns|tuntap|xfrm)$/;

const ip: Handler = (from, host) => {
  const operands = from.args.filter((arg) => !arg.startsWith('-'));
  const [object = '', verb = 'show', ...rest] = operands;
  if (object === 'netns' && verb === 'exec') return host.run(rest.slice(1), from);
  if (
    LINK_CHANGES.test(object) &&
    (/^(del|delete|flush|replace)/.test(verb) || (verb === 'set' && rest.includes('down')))
  )
    host.find('HIGH', 'network', `takes a part of the network down: ip ${shown(operands.join(' '))}`);
  else if (LINK_CHANGES.test(object) && /^(add|set|change|append)/.test(verb))
    host.find('MEDIUM', 'network', `changes the network: ip ${shown(operands.join(' '))}`);
  return NAME;
};

const interfaces: Handler = (from, host) => {
  const { name, args } = from;
  const reads =
    args.length <= 1 ||
    /^(status|show|-a|--help)/.test(args[0] ?? '') ||
    (name === 'nmcli' && !/\b(down|delete|off|modify|add|up)\b/.test(args.join(' ')));
  if (!reads || name === 'ifdown')
    host.find('HIGH', 'network', `changes the network: ${name} ${shown(args.join(' '))}`);
  return NAME;
};

const sendsInput: Handler = (from, host) => {
  if (from.stdin.includes(SECRET) || from.args.some((arg) => arg.includes(SECRET)))
    host.find('CRITICAL', 'exfiltrate', `sends secrets out with ${from.name}`);
  return NAME;
};

const tunnel: Handler = (from, host) => {
  if (/^(-v|--version|version|--help|help|config check|update)\b/.test(from.args.join(' '))) return NAME;
  host.find('HIGH', 'tunnel', `${from.name} opens this machine to the network: ${shown(from.args.join(' '))}`);
  return NAME;
};

export const network: Handlers = {
  curl,
  wget,
  openssl,
  socat,
  ssh,
  ip,
  ...named('http https xh httpie aria2c axel lynx w3m links fetch ftp tftp lwp-request GET POST', fetches),
  ...named('nc ncat netcat nc.openbsd nc.traditional busybox-nc telnet pwncat', netcat),
  ...named('scp rsync sftp rclone', copies),
  ...named('dig nslookup host drill getent ping ping6 traceroute', dns),
  ...named(
    'iptables ip6tables iptables-restore ip6tables-restore nft ufw firewall-cmd ipset ebtables iptables-save pfctl',
    firewall,
  ),
  ...named('ifconfig ifdown nmcli route nmtui', interfaces),
  ...named(
    'mail mailx sendmail mutt logger wall write pbcopy xclip xsel wl-copy msmtp swaks slack websocat wscat',
    sendsInput,
  ),
  ...named('ngrok cloudflared chisel frpc localtunnel lt bore', tunnel),
};

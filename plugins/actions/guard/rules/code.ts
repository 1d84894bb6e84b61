/** Code of interpreters: what its calls would do, read off the text; what hides behind decoding is said. */
import type { Host, Invocation } from '../shell/invocation.ts';
import { DOWNLOAD, HOLE, SECRET, shown } from '../shell/marks.ts';
import { absolute } from '../shell/names.ts';
import { addressProblem } from './addresses.ts';
import { inspectStatements } from './databases.ts';
import { deletes, writes } from './files.ts';
import { STARTERS } from './guess.ts';

const TEXT = String.raw`\s*(?:f|r|b|rb|u)?(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|` + '`((?:[^`\\\\]|\\\\.)*)`)';
const PLAIN_TEXT = new RegExp(TEXT, 'g');

/** Calls that run shell text or a program. */
const SHELL_CALLS = new RegExp(
  String.raw`(?:os\.system|os\.popen|popen|(?:subprocess|sp)\.\w+|commands\.getoutput|pty\.spawn|os\.exec\w*|os\.spawn\w*|child_process['"\)]*\.?\w*|\bexec(?:Sync|File|FileSync)?|\bspawn(?:Sync)?|\bsystem|shell_exec|passthru|proc_open|\bqx|IO\.popen|Open3\.\w+|Kernel\.\w+|os\.execute|io\.popen|do shell script|Bun\.\$|\$\s*)\s*\(?\s*(?:\[\s*)?`,
  'g',
);
const DELETES =
  /(?:shutil\.rmtree|rmtree|os\.(?:remove|unlink|rmdir|removedirs)|pathlib\.Path|Path|Deno\.remove(?:Sync)?|fs(?:\.promises)?\.(?:rm|rmSync|rmdir|rmdirSync|unlink|unlinkSync)|\.(?:rmSync|unlinkSync|rmdirSync|rm)|FileUtils\.(?:rm_rf|rm_r|rm|remove_dir|remove_entry\w*)|File\.(?:delete|unlink)|Dir\.rmdir|\bunlink|remove_tree|rimraf(?:\.sync)?|\brm(?=\s*\(\s*["']))\s*\(?\s*(?:glob\s*\(?\s*|<)?/g;
const WRITES =
  /(?:\bopen|writeFile(?:Sync)?|appendFile(?:Sync)?|createWriteStream|File\.(?:write|open)|IO\.write|file_put_contents|fopen|copyFile(?:Sync)?|symlinkSync|os\.symlink|shutil\.copy\w*)\s*\(\s*/g;
const CODE_FROM_ELSEWHERE =
  /(?:exec|eval|Function|compile|loads|system|popen|__import__|instance_eval|assert|unserialize)\s*\(?[^;]{0,2000}(?:base64|b64decode|decode\(|atob|fromCharCode|from\(['"][A-Za-z0-9+/=]{12,}['"],\s*['"](?:base64|hex)|fromhex|unhexlify|codecs|zlib|marshal|pack\(|chr\(|\[::-1\]|reverse\(|rot13|urlopen|urllib|requests\.|http\.get|fetch\(|Net::HTTP|open-uri|LWP|file_get_contents\(['"]http)/i;
const HIDDEN =
  /getattr\s*\(\s*(?:os|__import__|builtins|subprocess)|__builtins__|globals\(\)\[|__import__\s*\(\s*['"]\w*['"]\s*\+|process\[['"]|require\(\s*['"]\w*['"]\s*\+|vars\(\)\[/;
const REVERSE =
  /socket|require\(\s*['"]net['"]\s*\)|TCPSocket|fsockopen|net\.(?:connect|Socket|createConnection)|Socket::INET|\/dev\/tcp/;
const GIVES_SHELL =
  /dup2|spawn\(\s*['"]\w*sh['"]|pty\.spawn|\/bin\/(?:ba|z|da)?sh|cmd\.exe|spawn\(|exec\(|popen|proc_open|passthru|system\(|STDIN->fdopen|open\(STDIN/;
const SENDS =
  /urlopen|requests\.(?:post|put|get)|http\.client|\.request\(|fetch\(|axios|Net::HTTP|socket|smtplib|LWP|curl_exec|file_get_contents\(['"]http|urllib|ftplib|http\.get|https\.get|HTTP::Tiny|->post|\.post\(/;
const SECRET_IN_CODE =
  /\.ssh\/(?!known_hosts)|\.aws\/credentials|\.kube\/config|\/etc\/shadow|\.netrc|\.git-credentials|\.npmrc|\.pgpass|os\.environ(?!\.get|\[)|process\.env(?![.[])|ENV\.to_h|\bENV\.(?:inspect|map|each)|id_(?:rsa|ed25519)|\.gnupg|\.docker\/config|(?:^|[/'"])\.env['"]/;
const ENDLESS =
  /(?:while\s*(?:True|1|\(?1\)?|\(?true\)?)\s*:?|for\s*\(;;\)|loop\s*(?:do|\{)|fork\s+while)[^]{0,2000}?(?:\bfork\b|os\.fork|Process\.(?:fork|spawn)|spawn\(process\.argv)|fork\s+while\b|fork\(\)\s*(?:for\b|while\b|or\b|\|\|)|while\s*\(\s*pcntl_fork|setInterval\([^]{0,200}spawn\(process\.argv/;
const KILLS = /(?:os\.kill|process\.kill|Process\.kill|\bkill)\s*\(?\s*(?:['"]?(?:SIG)?(?:KILL|9)['"]?\s*,\s*)?-1\b/;
const POWER =
  /os\.(?:reboot|_exit_machine)|(?:system|exec\w*|run|popen)\(\s*\[?\s*['"](?:shutdown|reboot|poweroff|halt)/;

/** Longer code is not read: what is in it may be anything. */
const MAX_CODE = 20_000;

/** What it prints: SECRET where it reads keys, else HOLE. */
export function inspectCode(code: string, from: Invocation, host: Host, family: string): string {
  if (code.length > MAX_CODE) {
    host.find('HIGH', 'too-long', `${code.length} characters of code for ${from.name}, at most ${MAX_CODE} are read`);
    return HOLE;
  }
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
  if (family === 'tclsh' || family === 'expect')
    for (const [, text = ''] of code.matchAll(/\b(?:exec|spawn|system)\s+([^\n\]]+)/g)) host.runText(text, from);
  shellCalls(code, from, host);
  if (/^(ruby|perl|php|lua|julia)$/.test(family))
    for (const [, text = ''] of code.matchAll(/`([^`]*)`/g)) host.runText(text, from);
  for (const [, text = ''] of code.matchAll(/(?:\bqx|%x)\s*[{([|]([^})\]|]*)[})\]|]/g)) host.runText(text, from);
  fileCalls(code, from, host);
  for (const url of code.match(/https?:\/\/[^\s'"`)]+/g) ?? []) {
    const problem = addressProblem(url);
    if (problem !== null) host.find('HIGH', 'metadata', problem);
  }
  if (FETCHED.test(code) && RUNS_TEXT.test(code))
    host.find('HIGH', 'download-run', `${what} runs what comes over the network`);
  if (CLOUD_CODE.test(code) && CLOUD_DELETES.test(code))
    host.find('HIGH', 'cloud', `${what} deletes what is in a cloud`);
  if (/\bdropDatabase\(|\.drop\(\s*\)|dropCollection\(/.test(code))
    host.find('HIGH', 'database', `${what} drops stored data`);
  if (WALKS.test(code) && CHANGES_ALL.test(code))
    host.find('CRITICAL', 'delete-system', `${what} changes everything of the system`);
  literalCalls(code, from, host);
  return SECRET_IN_CODE.test(code) && !/\bwith open\([^)]*['"]w/.test(code) ? SECRET : HOLE;
}

const EXECUTES =
  /system|exec|spawn|popen|subprocess|check_(?:call|output)|\brun\s*\(|\.call\(|child_process|`|os:cmd|sys\.process|\.!|syscmd|exec\.Command|\bqx|%x|shell/i;
const QUERIES =
  /psycopg|sqlite3|mysql|['"]pg['"]|postgres|sqlalchemy|cursor|\.query\(|\.execute\(|knex|sequelize|DBI->|PDO/i;
const FETCHED =
  /fetch\s*\(|https?['"]?\)?\.get|\bget\s*\(?\s*["']https?:|URI\.open|open-uri|LWP|urlopen|requests\.get|HTTP::Tiny|file_get_contents\(['"]http|Net::HTTP/;
const RUNS_TEXT = /\b(?:eval|exec|Function|instance_eval|compile|execSync|system|runInThisContext)\b/;
const CLOUD_CODE = /boto3|google\.cloud|googleapiclient|azure\.|@aws-sdk|aws-sdk|@azure|kubernetes|digitalocean/;
const CLOUD_DELETES = /\.(?:delete|terminate|destroy|remove|drop|purge)\w*\(|Delete\w+Command|Terminate\w+Command/;
const WALKS =
  /os\.walk\(\s*['"]\/(?:etc|usr|var|home|boot|bin|lib|root)?\/?['"]|glob\(\s*['"]\/(?:etc|usr|var|home|boot|bin|lib|root)?\/?\*|Find\.find\(['"]\//;
const CHANGES_ALL = /os\.(?:remove|unlink|chmod|chown|rename)|rmtree|unlink|shutil\.move|\.write\(|File\.delete/;

/** Lists of words, and texts, that a call may start: read as it would. */
function literalCalls(code: string, from: Invocation, host: Host): void {
  const executes = EXECUTES.test(code);
  const queries = QUERIES.test(code);
  let at = 0;
  for (let count = 0; count < 200; count++) {
    PLAIN_TEXT.lastIndex = at;
    const found = PLAIN_TEXT.exec(code);
    if (!found) return;
    const words = literalsAt(code.slice(found.index), true);
    const [first = ''] = words;
    at = found.index + Math.max(found[0].length, 1);
    const name = first.trimStart().split(/\s/, 1)[0] ?? '';
    if (executes && words.length > 1 && STARTERS.test(first)) host.run(words, from);
    else if (executes && /\s/.test(first) && STARTERS.test(name)) host.runText(first, from);
    if (queries) inspectStatements(first, from, host);
    const written = /^\s*>{1,2}\s*(\/\S+)$/.exec(first)?.[1];
    if (written !== undefined) writes(written, from, host);
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

/** `d = tempfile.mkdtemp()`, then `rmtree(d)`. */
function isTemporary(after: string, code: string): boolean {
  const [, name = ''] = /^\s*([A-Za-z_]\w*)\s*[,)]/.exec(after) ?? [];
  return (
    name !== '' &&
    new RegExp(`\\b${name}\\s*=\\s*(?:await\\s+)?[\\w.]*(?:mkdtemp|mktmpdir|TemporaryDirectory)`).test(code)
  );
}

function fileCalls(code: string, from: Invocation, host: Host): void {
  for (const found of code.matchAll(DELETES)) {
    const after = code.slice(found.index + found[0].length);
    const isPath = /Path\s*\(?\s*$/.test(found[0]);
    if (isPath && !/\)\.(?:unlink|rmdir)/.test(after.slice(0, 200))) continue;
    const whole = /Deno|^rm\b|rmtree|rm_r|rmSync|\.rm\b|remove_|rimraf|rmdirSync/.test(found[0]);
    const [path] = literalsAt(after, false);
    if (path !== undefined) deletes(expandedHome(path, from), whole || /[*?]/.test(path), from, host);
    else if (
      /^(?:os\.path\.expanduser|Path\.home|os\.environ\[|process\.env\.HOME|os\.homedir|Dir\.home)/.test(after)
    ) {
      const [inner] = literalsAt(after.replace(/^[^'"]*/, ''), false);
      deletes(inner?.startsWith('~') === true ? expandedHome(inner, from) : from.scope.home, whole, from, host);
    } else if (whole && !isTemporary(after, code))
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

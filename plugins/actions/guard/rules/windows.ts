/** PowerShell and cmd, which agents meet on any system: what a text of theirs would do, by its verbs. */
import type { Risk } from '#core';

import { type Handler, type Handlers, named } from '../shell/invocation.ts';
import { DOWNLOAD, HOLE, shown } from '../shell/marks.ts';

type Verb = readonly [pattern: RegExp, risk: Risk, rule: string, what: string];

const GREAT = String.raw`(?:[a-z]:\\?\*?|\/|~|\$home|\$env:userprofile|\$env:systemroot|[a-z]:\\(?:windows|users|program files)[^;|]*|\/(?:etc|usr|var|home|boot|bin)[^;|\s]*)`;

const POWERSHELL: readonly Verb[] = [
  [
    new RegExp(
      String.raw`\b(?:remove-item|ri|rm|del|rd|rmdir|erase)\b(?=[^;|]*-r)[^;|]*\s["']?${GREAT}["']?(?:\s|$|;)`,
      'i',
    ),
    'CRITICAL',
    'delete-system',
    'deletes everything of the system or a home',
  ],
  [/\b(stop-computer|restart-computer)\b/i, 'CRITICAL', 'shutdown', 'stops this machine'],
  [/\b(format-volume|clear-disk|initialize-disk|remove-partition)\b/i, 'CRITICAL', 'disk', 'erases a disk'],
  [
    /(iwr|irm|curl|wget|invoke-webrequest|invoke-restmethod|downloadstring|downloadfile|webclient|start-bitstransfer)[^]*(\||;|\()\s*(iex|invoke-expression|start-process|&)|\b(iex|invoke-expression)\b[^]*(http|download|webclient|iwr|irm)/i,
    'CRITICAL',
    'download-run',
    'runs what comes over the network',
  ],
  [
    /\b(iex|invoke-expression)\b|frombase64string|-enc(odedcommand)?\b/i,
    'HIGH',
    'opaque-text',
    'runs text that is made first',
  ],
  [
    /set-mppreference|disable-windowsoptionalfeature|set-executionpolicy|disablerealtime|netsh|new-netfirewallrule|set-netfirewallprofile/i,
    'HIGH',
    'security-off',
    'switches protection off',
  ],
  [/tcpclient|\bpowercat\b|net\.sockets/i, 'CRITICAL', 'reverse-shell', 'gives a shell to the network'],
  [
    /register-scheduledtask|new-service|set-service|currentversion\\run|new-itemproperty|set-itemproperty|schtasks/i,
    'HIGH',
    'persistence',
    'runs something later by itself',
  ],
  [
    /(new|add|set|remove)-localuser|add-localgroupmember|new-localgroup/i,
    'HIGH',
    'users',
    'changes who may use this machine',
  ],
  [/clear-eventlog|wevtutil|remove-eventlog|clear-history/i, 'HIGH', 'cover-tracks', 'deletes logs'],
  [/vssadmin|wbadmin|delete shadow/i, 'CRITICAL', 'backups', 'deletes backups'],
  [/stop-process\b[^;|]*-force|stop-service|kill\b/i, 'MEDIUM', 'service', 'ends what runs'],
  [/\b(remove-item|ri|rm|del|rd|rmdir)\b[^;|]*-r/i, 'MEDIUM', 'delete-outside', 'deletes a folder'],
];

const COMMANDS: readonly Verb[] = [
  [
    /\b(rd|rmdir)\b[^&|]*\/s|\b(del|erase)\b[^&|]*\/[sq]|\bformat\s+[a-z]:|\bdiskpart\b/i,
    'CRITICAL',
    'delete-system',
    'deletes everything in a folder or on a disk',
  ],
  [/\bshutdown\b/i, 'CRITICAL', 'shutdown', 'stops this machine'],
  [/vssadmin\s+delete|wbadmin\s+delete|bcdedit/i, 'CRITICAL', 'backups', 'deletes backups'],
  [
    /reg\s+(add|delete)|schtasks\s+\/create|net\s+user|netsh|wevtutil|icacls|takeown|certutil|bitsadmin|powershell/i,
    'HIGH',
    'system',
    'changes this machine',
  ],
];

function inspectText(
  text: string,
  verbs: readonly Verb[],
  name: string,
  find: (...found: [Risk, string, string]) => void,
): void {
  if (text.includes(DOWNLOAD)) find('HIGH', 'download-run', `runs what comes over the network with ${name}`);
  const found = verbs.find(([pattern]) => pattern.test(text));
  if (found) find(found[1], found[2], `${found[3]}: ${name} ${shown(text)}`);
}

const powershell: Handler = (from, host) => {
  const at = from.args.findIndex((arg) => /^-(c|command|enc|encodedcommand|e|ec)$/i.test(arg));
  const encoded = at >= 0 && /^-(enc|encodedcommand|e|ec)$/i.test(from.args[at] ?? '');
  const said = at >= 0 ? from.args.slice(at + 1).join(' ') : from.args.filter((arg) => !arg.startsWith('-')).join(' ');
  const decoded = encoded ? Buffer.from(said, 'base64').toString('utf16le') : said;
  if (encoded) host.find('HIGH', 'opaque-text', `${from.name} runs text that is encoded`);
  for (const text of [decoded, from.stdin])
    if (text !== '') inspectText(text, POWERSHELL, from.name, (...found) => host.find(...found));
  return HOLE;
};

const cmd: Handler = (from, host) => {
  inspectText(from.args.join(' '), COMMANDS, from.name, (...found) => host.find(...found));
  return HOLE;
};

export const windows: Handlers = {
  ...named('pwsh powershell pwsh.exe powershell.exe', powershell),
  ...named('cmd cmd.exe', cmd),
};

/** Programs that nothing is known of: what they are given that looks like a command is judged as if they started it. */
import type { Handler } from '../shell/invocation.ts';
import { SECRET } from '../shell/marks.ts';
import { absolute } from '../shell/names.ts';
import { isSecretPath } from './paths.ts';

/** Programs by whose name a command is recognised among the arguments of another. */
export const STARTERS =
  /^(\/?(usr\/)?(local\/)?s?bin\/)?(rm|dd|mkfs(\.\w+)?|shred|wipefs|shutdown|reboot|poweroff|halt|chmod|chown|sh|bash|dash|zsh|ksh|sudo|doas|kill|killall|pkill|nc|ncat|curl|wget|python3?|perl|ruby|node|systemctl|iptables|crontab|useradd|userdel|mkswap|find|xargs|eval)$/;
/** Options whose value is shell text, whoever has them. */
const TEXT_OPTION =
  /^--?(e|c|x|exec|execute|cmd|command|run|shell|eval|call|script|hook|action|trigger|pager|editor|on-\w[\w-]*|pre\w*|post\w*|before\w*|after\w*|\w+-(exec|cmd|command|script|hook|pager|program))$/;
/** Programs that say of a file what anybody may know, or use it for what it is for. */
const LOOKERS = new Set(
  'ssh-add ssh-keyscan keychain kubectx kubens file getfacl lsattr sha512sum cksum mosh autossh'.split(' '),
);
/** Programs that only speak of commands. */
const SPEAKERS = new Set(
  'trotline last lastb zgrep bzgrep xzgrep zcat journalctl man which whereis type whatis apropos tldr info help cheat howdoi explainshell shellcheck shfmt rg ag ack ack-grep git-grep code subl open xdg-open say notify-send cowsay figlet banner glow pandoc vale cspell codespell aspell test jest vitest pytest rspec go cargo npm pnpm yarn tsc eslint prettier gh glab jira linear bd asciinema hyperfine complete compgen alias unalias hash jq yq fx gron dasel'.split(
    ' ',
  ),
);

export const unknownProgram: Handler = (from, host) => {
  const { name, path, args, how, scope } = from;
  if (SPEAKERS.has(name) || how.elsewhere !== null) return undefined;
  // A program of the workspace: what it does with its words is its own affair.
  const isOwn = /^(\.|src|bin|scripts?|tools?|test)/.test(path);
  if (isOwn) return undefined;
  for (const [index, arg] of args.entries()) {
    const [option = '', ...attached] = arg.split('=');
    const value = attached.length > 0 ? attached.join('=') : (args[index + 1] ?? '');
    if (TEXT_OPTION.test(option) && (/\s/.test(value) || STARTERS.test(value))) host.runText(value, from);
    else if (/\s/.test(arg) && STARTERS.test(arg.trimStart().split(/\s/, 1)[0] ?? '')) host.runText(arg, from);
  }
  const at = args.findIndex((arg) => STARTERS.test(arg));
  if (at >= 0 && /^[-/~$.]|[/*]/.test(args[at + 1] ?? '')) host.run(args.slice(at), from);
  const shows = args.some((arg) => !arg.startsWith('-') && isSecretPath(absolute(arg, scope)));
  return shows && !LOOKERS.has(name) ? SECRET : undefined;
};

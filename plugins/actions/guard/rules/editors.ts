/** Editors, pagers and recorders, which run commands when told to. */
import { parseOptions } from '../shell/arguments.ts';
import { type Handler, type Handlers, type Host, type Invocation, named } from '../shell/invocation.ts';
import { NAME } from '../shell/marks.ts';
import { absolute } from '../shell/names.ts';
import { deletes, writes } from './files.ts';

const ESCAPE =
  /^\s*:?\s*(?:silent!?\s*)?(?:\d*,?\$?\s*)?(?:!|terminal\s|term\s|r\s*!|w\s*!|read\s*!|exe(?:cute)?\s+["']!)(.*?)["']?$/s;
const CODE = /^\s*:?\s*(?:py3?|python3?|lua|perl|ruby|call)\s(.*)$/s;

/** Commands of ed, ex and vim, a line each. */
function runLines(text: string, from: Invocation, host: Host): void {
  for (const line of text.split('\n')) {
    const command = ESCAPE.exec(line)?.[1];
    if (command !== undefined) host.runText(command, from);
    const code = CODE.exec(line)?.[1];
    for (const [, inner = ''] of (code ?? '').matchAll(/(?:system|delete|popen|execute)\w*\s*\(\s*["'](.*?)["']/g))
      if (/delete/.test(code ?? '')) deletes(inner, true, from, host);
      else host.runText(inner, from);
    const written = /^\s*:?\s*(?:sav(?:eas)?|w(?:q|rite)?)!?\s+(\/\S+)/.exec(line)?.[1];
    if (written !== undefined) writes(written, from, host);
  }
}

const editor: Handler = (from, host) => {
  for (const [index, arg] of from.args.entries()) {
    if (/^(-\w*[cS]|--cmd)$/.test(arg)) runLines(from.args[index + 1] ?? '', from, host);
    else if (arg.startsWith('+')) runLines(arg.slice(1), from, host);
  }
  runLines(from.stdin, from, host);
  const isBatch = from.args.some((arg) => /^-\w*s/.test(arg));
  if (isBatch)
    for (const file of from.args.filter((arg) => /^[/~]/.test(arg))) writes(absolute(file, from.scope), from, host);
  return '';
};

/** `(shell-command "…")`, `(delete-directory "…")`. */
const emacs: Handler = (from, host) => {
  const text = from.args.join(' ');
  for (const [, command = ''] of text.matchAll(
    /\((?:shell-command|call-process-shell-command|async-shell-command|shell-command-to-string)\s+"((?:[^"\\]|\\.)*)"/g,
  ))
    host.runText(command, from);
  for (const [, words = ''] of text.matchAll(/\((?:call-process|start-process|process-lines)\s+([^)]*)/g))
    host.run(
      [...words.matchAll(/"([^"]*)"/g)].map(([, word = '']) => word),
      from,
    );
  for (const [, path = ''] of text.matchAll(/\((?:delete-directory|delete-file)\s+"([^"]*)"/g))
    deletes(path, true, from, host);
  return '';
};

const pager: Handler = (from, host) => {
  for (const arg of from.args) {
    const command = /^\+!(.*)$/s.exec(arg)?.[1];
    if (command !== undefined) host.runText(command, from);
  }
  return undefined;
};

const manual: Handler = (from, host) => {
  const args = parseOptions(from.args, { valued: ['P', 'pager', 'H', 'html', 'M', 'C'] });
  const command = args.value('P', 'pager') ?? args.value('H', 'html');
  if (command !== undefined) host.runText(command, from);
  return NAME;
};

const recorder: Handler = (from, host) => {
  const args = parseOptions(from.args, { valued: ['c', 'command', 'E', 'o', 'I', 'O', 'B', 'T', 'm'] });
  const command = args.value('c', 'command');
  return command === undefined ? NAME : host.runText(command, from);
};

/** `tmux new-session -d 'text'`, `screen -dmS name command`. */
const multiplexer: Handler = (from, host) => {
  const args = from.args.filter((arg) => arg !== 'Enter' && arg !== 'C-m');
  for (const arg of args) if (/\s/.test(arg)) host.runText(arg, from);
  const at = args.findIndex(
    (arg, index) => index > 0 && !arg.startsWith('-') && !/^-\w*[StcnFxy]$/.test(args[index - 1] ?? ''),
  );
  if (from.name === 'screen' && at >= 0) host.run(args.slice(at), from);
  return NAME;
};

export const editors: Handlers = {
  ...named('vim vi nvim ex view ed gvim vimdiff red', editor),
  ...named('emacs emacsclient', emacs),
  ...named('less more most', pager),
  ...named('man', manual),
  ...named('script asciinema', recorder),
  ...named('tmux screen', multiplexer),
};

/** Archives: what goes in, where it comes out, and the programs that they start. */
import { parseOptions } from '../shell/arguments.ts';
import { type Handler, type Handlers, named } from '../shell/invocation.ts';
import { DOWNLOAD, HOLE, SECRET, shown } from '../shell/marks.ts';
import { absolute } from '../shell/names.ts';
import { contentOf, deletes, writes } from './files.ts';
import { isSecretPath } from './paths.ts';

const tar: Handler = (from, host) => {
  const [first = '', ...rest] = from.args;
  const bundled = /^[A-Za-z]+$/.test(first) && !first.includes('/') ? [`-${first}`, ...rest] : from.args;
  const args = parseOptions(bundled, {
    valued: [
      'f',
      'C',
      'T',
      'X',
      'file',
      'directory',
      'I',
      'use-compress-program',
      'exclude',
      'transform',
      'checkpoint-action',
      'to-command',
      'rsh-command',
      'info-script',
      'F',
    ],
  });
  for (const [name, value] of args.all) {
    if (name === 'checkpoint-action') host.runText(value.replace(/^exec=/, ''), from);
    else if (/^(to-command|I|use-compress-program|rsh-command|info-script|F)$/.test(name)) host.runText(value, from);
  }
  const file = args.value('f', 'file');
  const folder = args.value('C', 'directory') ?? '.';
  const extracts = args.has('x', 'extract', 'get');
  if (extracts) {
    const target = absolute(folder, from.scope);
    if (target === '/' || /^\/(etc|bin|sbin|usr|lib|boot|root)(\/|$)/.test(target))
      host.find(target === '/' ? 'CRITICAL' : 'HIGH', 'write-protected', `unpacks into “${shown(target)}”`);
    const content = file === undefined || file === '-' ? from.stdin : contentOf(absolute(file, from.scope), from.scope);
    if (args.has('O', 'to-stdout')) return content === '' ? HOLE : content;
    // What is in it came over the network, too.
    if (content.includes(DOWNLOAD)) from.scope.files.set(`${target}/`, DOWNLOAD);
    return '';
  }
  const secret = args.operands.some(
    (operand) =>
      isSecretPath(absolute(operand, { cwd: absolute(folder, from.scope) })) ||
      /(^|\/)\.(ssh|aws|kube|gnupg|docker)\/?$/.test(operand),
  );
  const content = secret ? SECRET : HOLE;
  if (file !== undefined && file !== '-') {
    const path = absolute(file, from.scope);
    writes(path, from, host, content);
    from.scope.files.set(path, content);
    if (args.has('remove-files')) for (const operand of args.operands) deletes(operand, true, from, host);
    return '';
  }
  return content;
};

const zip: Handler = (from, host) => {
  const args = parseOptions(from.args, { valued: ['T', 'TT', 'unzip-command', 'x', 'i', 'P', 'p', 'o'] });
  const at = from.args.indexOf('-TT');
  const command = at >= 0 ? from.args[at + 1] : args.value('unzip-command');
  if (command !== undefined) host.runText(command, from);
  const [archive = '', ...sources] = args.operands;
  const secret = sources.some(
    (source) =>
      contentOf(absolute(source, from.scope), from.scope).includes(SECRET) ||
      /(^|\/)\.(ssh|aws|kube|gnupg)\/?$/.test(source),
  );
  if (secret) from.scope.files.set(absolute(archive, from.scope), SECRET);
  return secret ? SECRET : '';
};

export const archives: Handlers = {
  ...named('tar bsdtar gtar cpio', tar),
  ...named('zip 7z 7za', zip),
};

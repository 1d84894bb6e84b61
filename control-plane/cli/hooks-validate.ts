/** `trotline hooks validate`: what loading these files would say, without a control plane. */
import { readFile, stat } from 'node:fs/promises';
import { text } from 'node:stream/consumers';

import { AppError, errorText, hookId, withCel } from '#core';
import { vocabulary } from '#plugins/schemas';

import { readDirectory } from '../config/hook-directory.ts';
import { type HookFile, NO_HOOK_FILES, readHookFiles } from '../config/hook-files.ts';
import { type Command, type Context, examples, type OutputOption, outputOption } from './command.ts';
import { count, issueData, renderIssues, renderRefused } from './errors.ts';
import { namesText, renderData, safe } from './output.ts';

export function addValidateCommand(hooks: Command, context: Context): void {
  const validate = hooks
    .command('validate <path...>')
    .description('check files, directories or stdin (-) as loading them would');
  validate.addOption(outputOption());
  examples(validate, 'trotline hooks validate hooks/net.yaml', 'trotline hooks validate /etc/trotline/hooks -o json');
  validate.action(async (paths: readonly string[], { output }: OutputOption) => {
    const files = (await Promise.all(paths.map(filesAt))).flat();
    const { hooks: accepted, refused, warnings } = readHookFiles(files, await withCel(vocabulary), NO_HOOK_FILES);
    const { terminal } = context;
    context.exitCode = refused.length > 0 ? 2 : 0;
    if (output === 'json' || output === 'yaml') {
      const rows = [
        ...accepted.map((hook) => ({
          hook: hookId(hook),
          valid: true,
          file: hook.origin?.file ?? null,
          line: hook.origin?.line ?? null,
        })),
        ...refused.flatMap(({ id, issues }) =>
          issues.map((issue) => ({ hook: id, valid: false, code: 'CONFIG_INVALID', ...issueData(issue) })),
        ),
      ];
      terminal.out(renderData(rows, output));
      return;
    }
    terminal.err(renderRefused(refused, terminal, () => ''));
    if (warnings.length > 0)
      terminal.err(
        `${terminal.paint('yellow', 'warning:')} ${count(warnings.length, 'doubtful place')}\n${renderIssues(warnings, terminal)}`,
      );
    terminal.out(
      `${count(accepted.length, 'hook')} valid${refused.length > 0 ? `, ${refused.length} refused` : ''}${accepted.length === 0 ? '' : `: ${safe(namesText(accepted.map(({ name }) => name)))}`}\n`,
    );
  });
}

async function filesAt(path: string): Promise<HookFile[]> {
  if (path === '-') return [{ file: 'stdin', text: await text(process.stdin) }];
  try {
    const found = await stat(path);
    if (found.isFile()) return [{ file: path, text: await readFile(path, 'utf8') }];
    if (!found.isDirectory()) throw new Error('it is neither a file nor a directory');
    const files = await readDirectory(path);
    if (files.length > 0) return files;
  } catch (error) {
    throw new AppError('USAGE', `cannot read ${path}: ${errorText(error)}`, { cause: error });
  }
  throw new AppError('USAGE', `${path} holds no hook files, expected *.yaml, *.yml or *.json`);
}

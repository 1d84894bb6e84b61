/** Documentation cannot rot: tables are those of the schemas, links lead somewhere, documents and commands in it are real. */
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';

import {
  eventHookDefinition,
  eventHookJsonSchema,
  EventHookSpec,
  FIELDS,
  khookDefinition,
  readHookFile,
  withCel,
} from '#core';
import { actions, sources } from '#plugins';
import { vocabulary } from '#plugins/schemas';

import { run } from '../control-plane/cli/program.ts';
import { USAGE } from '../control-plane/config.ts';
import { USAGE as SIDECAR_USAGE } from '../sidecar/config.ts';
import { USAGE as BUNDLES_USAGE } from '../sidecar/bundles/arguments.ts';
import { USAGE as GUARD_USAGE } from '../sidecar/guard-check.ts';
import { NodePolicyFile, parsePolicy } from '../sidecar/policy.ts';
import { withOptionTable } from './kit/option-table.ts';

const ROOT = resolve(import.meta.dirname, '..');
const FOLDERS = ['agent', 'proto', 'core', 'plugins', 'sidecar', 'control-plane', 'native', 'deploy', 'test'];
const documents = globSync('**/*.md', {
  cwd: ROOT,
  exclude: (name) => /(^|\/)(node_modules|dist|build|\.git)$/.test(name),
}).sort();
const guides = documents.filter((file) => file === 'README.md' || file.startsWith('docs/'));
const plugins = [
  ...sources.map((definition) => ({ folder: `plugins/sources/${definition.type}`, definition })),
  ...actions.map((definition) => ({ folder: `plugins/actions/${definition.type}`, definition })),
];

const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

/** The document's generated part is up to date; `UPDATE_README=1` makes it so. */
function expectGenerated(file: string, text: string | null): void {
  if (text !== null && process.env.UPDATE_README === '1') writeFileSync(join(ROOT, file), text);
  const now = existsSync(join(ROOT, file)) ? read(file) : null;
  expect(now, 'UPDATE_README=1 writes it').toBe(text);
}

/** The text between `<!-- name -->` and `<!-- /name -->` replaced. */
function between(text: string, name: string, part: (old: string) => string): string | null {
  const marked = new RegExp(`(<!-- ${name} -->\n)([^]*?)(<!-- /${name} -->)`);
  return marked.test(text)
    ? text.replace(marked, (_, open: string, old: string, close: string) => `${open}${part(old)}${close}`)
    : null;
}

/** Fenced blocks of one language, each with the line it begins on. */
function blocks(file: string, language: string): { readonly text: string; readonly at: string }[] {
  const content = read(file);
  return [...content.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, 'gm'))].map((found) => ({
    text: found[1] ?? '',
    at: `${file}:${content.slice(0, found.index).split('\n').length}`,
  }));
}

const withoutCode = (text: string): string => text.replaceAll(/^```[^]*?^```$/gm, '').replaceAll(/`[^`\n]*`/g, '');

describe('READMEs of folders', () => {
  it.each(FOLDERS)('%s has one of at most 60 lines', (folder) => {
    const lines = read(`${folder}/README.md`).trimEnd().split('\n');
    expect(lines[0]).toBe(`# ${folder}`);
    expect(lines.length).toBeLessThanOrEqual(60);
  });

  it('are there for every plugin, and no plugin is left out of the lists', () => {
    const folders = globSync('plugins/{sources,actions}/*/index.ts', { cwd: ROOT }).map((file) => dirname(file));
    expect(folders.sort()).toEqual(plugins.map(({ folder }) => folder).sort());
  });

  it.each(plugins)('$folder has the fixed shape', ({ folder, definition }) => {
    const text = read(`${folder}/README.md`);
    const [title, sentence = ''] = text.split(/\n\n/);
    expect(title).toBe(`# ${definition.kind}: ${definition.type}`);
    expect(sentence).toMatch(/^[A-Z][^.]*\.$/);
    const headings = [...text.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading);
    const told = definition.kind === 'source' ? 'Events' : 'Results';
    const shape = ['Options', told, 'Permissions', 'Risks', 'Smallest config', 'Stability'];
    expect(headings.filter((heading) => heading !== undefined && shape.includes(heading))).toEqual(shape);
    expect(text.trimEnd().split('\n## Stability\n\n')[1]?.toLowerCase()).toMatch(
      new RegExp(`^${definition.stability}\\b`),
    );
  });

  it.each(plugins)('$folder has the options of its schema', ({ folder, definition }) => {
    const file = `${folder}/README.md`;
    expectGenerated(file, withOptionTable(read(file), definition.config));
  });

  it.each(plugins)('$folder is in the table of plugins, with its stability', ({ folder, definition }) => {
    const row = new RegExp(`\\]\\(${folder}/README\\.md\\) \\|.*\\| ${definition.stability} \\|$`, 'm');
    expect(read('README.md')).toMatch(row);
  });
});

describe('generated tables', () => {
  it('docs/hooks.md has every key of a hook', () => {
    expectGenerated('docs/hooks.md', withOptionTable(read('docs/hooks.md'), EventHookSpec));
  });

  it('docs/security.md has every key of a node policy', () => {
    expectGenerated('docs/security.md', withOptionTable(read('docs/security.md'), NodePolicyFile));
  });

  it('docs/filter.md has every field of conditions', () => {
    expectGenerated('docs/filter.md', between(read('docs/filter.md'), 'fields', fieldTable));
  });
});

/** Fields with the same prefix, type and source in one row. */
function fieldTable(): string {
  const setters: Readonly<Record<string, string>> = { any: 'every event', none: 'no source' };
  const rows = new Map<string, string[]>();
  for (const { name, type, setBy } of FIELDS.values()) {
    const prefix = name.slice(0, name.lastIndexOf('.') + 1);
    const row = [prefix === '' ? '' : `\`${prefix}\``, type, setters[setBy] ?? setBy].join('|');
    rows.set(row, [...(rows.get(row) ?? []), `\`${name.slice(prefix.length)}\``]);
  }
  const lines = [...rows].map(([row, names]) => {
    const [prefix = '', type = '', setBy = ''] = row.split('|');
    return `| ${`${prefix} ${names.join(' ')}`.trim()} | ${type} | ${setBy} |\n`;
  });
  return `| field | type | set by |\n| --- | --- | --- |\n${lines.join('')}`;
}

describe('deploy/crds', () => {
  it.each([
    ['eventhooks.trotline.dev', eventHookDefinition()],
    ['hooks.kagent.dev', khookDefinition()],
  ])('%s.yaml is made of the schema', (name, definition) => {
    const text = stringify(definition, { lineWidth: 0, aliasDuplicateObjects: false });
    expectGenerated(`deploy/crds/${name}.yaml`, text);
    expectGenerated(`deploy/charts/trotline-crds/files/${name}.yaml`, text);
  });
});

describe('links', () => {
  it.each(documents)('of %s lead somewhere', (file) => {
    const broken = [...withoutCode(read(file)).matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, target = '']) => target)
      .filter((target) => !/^[a-z]+:/.test(target) && !leadsSomewhere(file, target));
    expect(broken).toEqual([]);
  });
});

function leadsSomewhere(file: string, target: string): boolean {
  const [path = '', anchor] = target.split('#');
  const aim = path === '' ? file : join(dirname(file), path);
  if (!existsSync(join(ROOT, aim))) return false;
  return anchor === undefined || anchorsOf(aim).includes(anchor);
}

/** Of the headings, as GitHub makes them. */
function anchorsOf(file: string): string[] {
  const headings = [...read(file).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => heading);
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

const HOOK_OF_ACTIONS =
  'apiVersion: trotline.dev/v1alpha1\nkind: EventHook\nmetadata: { name: example }\nspec:\n  actions:\n';

/** A document of any kind that Trotline reads; a list of actions stands for a hook with them. */
const words = await withCel(vocabulary);

function readYaml(text: string, at: string): void {
  if (text.startsWith('version: 1\n')) return void parsePolicy(text, at);
  const whole = text.startsWith('- type:') ? `${HOOK_OF_ACTIONS}${text.replaceAll(/^/gm, '    ')}` : text;
  const { hooks, refused, warnings } = readHookFile(whole, at, words);
  expect(refused).toEqual([]);
  expect(warnings).toEqual([]);
  expect(hooks.length).toBeGreaterThan(0);
}

describe('YAML in documents', () => {
  const found = [...guides, ...documents.filter((file) => file.startsWith('plugins/'))].flatMap((file) =>
    blocks(file, 'yaml'),
  );

  it('is there', () => {
    expect(found.length).toBeGreaterThan(5);
  });

  it.each(found)('$at is accepted without a warning', ({ text, at }) => {
    readYaml(text, at);
  });
});

describe('docs/eventhook.schema.json', () => {
  it('is the schema that hooks are checked with', () => {
    expectGenerated('docs/eventhook.schema.json', `${JSON.stringify(eventHookJsonSchema(), null, 2)}\n`);
  });
});

describe('commands in documents', () => {
  it.each(guides)('of %s exist, with their flags', async (file) => {
    const lines = [...blocks(file, 'sh'), ...blocks(file, '')]
      .flatMap(({ text }) => text.replaceAll(/\\\n\s*/g, ' ').split('\n'))
      .map((line) => /^(?:\$ )?(?:npx )?trotline (?!\d)(.*)$/.exec(line)?.[1])
      .filter((line) => line !== undefined);
    const problems = await Promise.all(lines.map((line) => commandProblem(line.replace(/\s+(#|\().*$/, ''))));
    expect(problems.filter((problem) => problem !== null)).toEqual([]);
  });

  it('docs/cli.md shows every command', async () => {
    const names = await commandNames();
    expect(names.length).toBeGreaterThan(12);
    const headings = [...read('docs/cli.md').matchAll(/^(?:## (.*)|\| (`.*`) \|)/gm)].join(' ');
    for (const name of names) for (const word of name.split(' ')) expect(headings).toContain(word);
  });
});

/** What `--help` of these words prints. */
async function helpOf(words: readonly string[]): Promise<string> {
  if (words[0] === 'control-plane') return USAGE;
  if (words[0] === 'sidecar') return SIDECAR_USAGE;
  if (words[0] === 'guard') return GUARD_USAGE;
  if (words[0] === 'bundles') return BUNDLES_USAGE;
  let said = '';
  const out = (text: string): void => void (said += text);
  const terminal = { out, err: out, width: 100, interactive: false, paint: (_: unknown, text: string) => text };
  const { signal } = new AbortController();
  await run([...words, '--help'], { terminal, env: {}, signal, urgent: signal, exitCode: 0, heedsStop: false });
  return said;
}

/** Why this command line is none of ours; null: it is. */
async function commandProblem(line: string): Promise<string | null> {
  const words = line.split(/\s+/);
  const path: string[] = [];
  let help = await helpOf([]);
  for (const word of words) {
    if (!subcommands(help).includes(word)) break;
    path.push(word);
    help = await helpOf(path);
  }
  const next = words[path.length];
  if (next !== undefined && !next.startsWith('-') && subcommands(help).length > 0)
    return `${line}: no command "${next}"`;
  const flags = words.filter((word) => /^-./.test(word)).map((flag) => flag.split('=')[0] ?? flag);
  const unknown = flags.find((flag) => !new RegExp(`(^|\\s)${flag}(?![\\w-])`, 'm').test(help));
  return unknown === undefined ? null : `${line}: no flag "${unknown}"`;
}

/** The names under `Commands:` of a help text. */
function subcommands(help: string): string[] {
  const part = /\nCommands:\n([^]*?)(\n\n|$)/.exec(help)?.[1] ?? '';
  return [...part.matchAll(/^ {2}([a-z][a-z-]*)/gm)].map(([, name = '']) => name).filter((name) => name !== 'help');
}

async function commandNames(): Promise<string[]> {
  const top = subcommands(await helpOf([]));
  const below = await Promise.all(
    top.map(async (name) => {
      const names = ['control-plane', 'sidecar', 'guard', 'bundles'].includes(name)
        ? []
        : subcommands(await helpOf([name]));
      return names.length === 0 ? [name] : names.map((sub) => `${name} ${sub}`);
    }),
  );
  return below.flat();
}

/** Titles of tests that begin with a row of a checklist, by file. */
function titlesOfRows(): { readonly row: string; readonly file: string; readonly title: string }[] {
  return globSync('test/**/*.test.ts', { cwd: ROOT })
    .sort()
    .flatMap((file) =>
      [...read(file).matchAll(/(?:\bit(?:\.\w+)*|\]\)|\))\(\s*(['"`])((N\d+): (?:\\.|(?!\1).)*)\1/g)].map(
        ([, , title = '', row = '']) => ({ row, file, title: title.replaceAll(/\\(.)/g, '$1') }),
      ),
    );
}

const ROWS = /^\| (N\d+) \| (.*?) \| (.*?)\|$/gm;

describe('the rows of the nlmon checklist', () => {
  const titles = titlesOfRows();
  const file = 'docs/nlmon.md';

  if (process.env.UPDATE_README === '1') {
    const cell = (row: string): string => {
      // Titles without placeholders first.
      const own = titles
        .filter((title) => title.row === row)
        .sort((a, b) => Number(/[%$]/.test(a.title)) - Number(/[%$]/.test(b.title)));
      const first = own.filter((title, at) => own.findIndex((other) => other.file === title.file) === at);
      return first.map((one) => `\`${one.file.slice(5)}\`: ${escaped(one.title.slice(row.length + 2))}`).join('; ');
    };
    const text = between(read(file), 'rows', (old) =>
      old.replaceAll(ROWS, (_, row: string, what: string) => `| ${row} | ${what} | ${cell(row)} |`),
    );
    if (text !== null) writeFileSync(join(ROOT, file), text);
  }

  const rows = [...read(file).matchAll(ROWS)].map(([, row = '', , tests = '']) => ({ row, tests: tests.trim() }));

  it('are all of them', () => {
    expect(rows.map(({ row }) => row)).toEqual(Array.from({ length: 48 }, (_, at) => `N${at + 1}`));
  });

  it.each(rows)('$row is kept by tests of that name', ({ row, tests }) => {
    const known = titles.map((one) => `\`${one.file.slice(5)}\`: ${escaped(one.title.replace(/^N\d+: /, ''))}`);
    const named = tests.split('; `').map((text, at) => (at === 0 ? text : `\`${text}`));
    expect(titles.filter((one) => one.row === row)).not.toEqual([]);
    expect(known, 'UPDATE_README=1 writes it').toEqual(expect.arrayContaining(named));
  });
});

function escaped(title: string): string {
  return title.replaceAll(/[|<]/g, '\\$&');
}

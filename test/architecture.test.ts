/** The import table of the design, section 3, and who may use which library: read off the import statements. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

import { describe, expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '..');

/** Folder → what of ours it may import. */
const TABLE: Readonly<Record<string, readonly string[]>> = {
  agent: ['core/light'],
  core: [],
  native: [],
  proto: ['core'],
  plugins: ['core'],
  'plugins/sources/netlink': ['core', 'native'],
  'plugins/sources/agent': ['core', 'native'],
  'plugins/actions/script': ['core', 'native'],
  sidecar: ['core', 'plugins', 'plugins/schemas', 'proto', 'native'],
  'control-plane': ['core', 'proto', 'plugins/schemas'],
};

/** Library → the only files or folders that may import it. */
const LIBRARIES: Readonly<Record<string, readonly string[]>> = {
  typebox: ['core/schema.ts'],
  '@opentelemetry/sdk-trace': ['core/telemetry.ts'],
  '@opentelemetry/sdk-node': [],
  '@grpc/grpc-js': [
    'proto/gen',
    'sidecar/control-link.ts',
    'sidecar/channel.ts',
    'sidecar/approvals.ts',
    'control-plane',
  ],
  '@marcbachmann/cel-js': ['core/cel'],
  re2js: ['core/filter/pattern.ts'],
  ws: ['control-plane/stream/sockets.ts'],
  jose: ['plugins/sources/agent/tokens.ts'],
  unbash: ['plugins/actions/guard/shell'],
  yaml: ['core', 'control-plane/cli'],
};

interface Import {
  readonly file: string;
  readonly from: string;
}

function sources(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((name) => name.endsWith('.ts') && !name.includes('node_modules'));
}

const imports: Import[] = ['agent', 'core', 'proto', 'plugins', 'sidecar', 'control-plane', 'native']
  .flatMap(sources)
  .flatMap((file) => {
    const text = readFileSync(join(ROOT, file), 'utf8');
    return [...text.matchAll(/(?:\bfrom|\bimport\()\s*['"]([^'"]+)['"]/g)].map(([, from = '']) => ({ file, from }));
  });

/** The longest folder of the table that a file lies in. */
function folderOf(file: string): string {
  const folders = Object.keys(TABLE).filter((folder) => file.startsWith(`${folder}/`));
  return folders.sort((a, b) => b.length - a.length)[0] ?? '';
}

function problemOf({ file, from }: Import): string | null {
  const folder = folderOf(file);
  const top = file.split('/')[0] ?? '';
  if (from.startsWith('#')) {
    const target = from.slice(1);
    return target === top || (TABLE[folder] ?? []).some((allowed) => target === allowed)
      ? null
      : `${file} imports ${from}`;
  }
  if (!from.startsWith('.')) return null;
  const target = relative(ROOT, resolve(ROOT, dirname(file), from));
  if (!target.startsWith(`${top}/`)) return `${file} leaves its folder by the relative path ${from}`;
  const plugin = folder.split('/').length > 1 ? folder : pluginOf(file);
  const targetPlugin = pluginOf(target);
  return plugin !== null && targetPlugin !== null && plugin !== targetPlugin
    ? `${file} imports the plugin ${targetPlugin}`
    : null;
}

/** `plugins/actions/webhook` of a file inside; null outside of plugins. */
function pluginOf(file: string): string | null {
  return /^plugins\/(?:sources|actions)\/[^/]+/.exec(file)?.[0] ?? null;
}

describe('the architecture', () => {
  it('has imports to read', () => {
    expect(imports.length).toBeGreaterThan(100);
  });

  it('keeps the import table of the design, and no plugin imports another', () => {
    expect(imports.map(problemOf).filter((problem) => problem !== null)).toEqual([]);
  });

  it('uses each fenced library only where it belongs', () => {
    const stray = imports.filter(({ file, from }) => {
      const library = Object.keys(LIBRARIES).find((name) => from === name || from.startsWith(`${name}/`));
      return (
        library !== undefined &&
        !(LIBRARIES[library] ?? []).some((place) => file === place || file.startsWith(`${place}/`))
      );
    });
    expect(stray).toEqual([]);
  });
});

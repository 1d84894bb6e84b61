/** `npm run proto:check`: the committed code of the wire is what the `.proto` files generate, and their names pass the linter. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '..');
const GENERATED = 'proto/gen';

function filesOf(folder: string): ReadonlyMap<string, string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = entries.map((entry) => join(entry.parentPath, entry.name));
  return new Map(paths.map((path) => [path.slice(folder.length + 1), readFileSync(path, 'utf8')]));
}

function buf(...args: readonly string[]): void {
  execFileSync('buf', args, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
}

const fresh = mkdtempSync(join(tmpdir(), 'trotline-proto-'));
try {
  buf('lint', 'proto');
  buf('generate', 'proto', '--template', 'proto/buf.gen.yaml', '-o', fresh);
  const committed = filesOf(join(ROOT, GENERATED));
  const generated = filesOf(join(fresh, GENERATED));
  const differing = [...new Set([...committed.keys(), ...generated.keys()])].filter(
    (file) => committed.get(file) !== generated.get(file),
  );
  if (differing.length > 0) {
    const list = differing.map((file) => `  ${GENERATED}/${file}\n`).join('');
    process.stderr.write(`error: generated code differs from the .proto files; run: npm run proto\n${list}`);
    process.exitCode = 1;
  }
} finally {
  rmSync(fresh, { recursive: true });
}

/** What `npm pack` makes is installed into an empty folder and works there, built and without the source. */
import { execFile, execFileSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { inNetns, netnsMissing } from '../kit/netns.ts';
import { ROOT } from './kit.ts';

const run = promisify(execFile);
const missing = netnsMissing();
let folder = '';
let installed = '';

interface Manifest {
  readonly optionalDependencies?: unknown;
}

/** Unpacks the tarball as `npm install` does, with the dependencies that are here: no network is needed. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trotline-package-'));
  const copy = join(folder, 'checkout');
  await copyCheckout(copy);
  const { stdout } = await run('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: copy });
  const tarball = join(folder, stdout.trim().split('\n').at(-1) ?? '');
  const modules = join(folder, 'app', 'node_modules');
  installed = join(modules, 'trotline');
  await mkdir(installed, { recursive: true });
  await run('tar', ['-xzf', tarball, '-C', installed, '--strip-components=1']);
  await symlink(join(ROOT, 'node_modules'), join(installed, 'node_modules'));
  await mkdir(join(modules, '.bin'));
  await symlink('../trotline/trotline.mjs', join(modules, '.bin', 'trotline'));
}, 300_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

/** Only what a clone has, so that packing changes nothing here. */
async function copyCheckout(to: string): Promise<void> {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: ROOT });
  for (const file of listed.toString().split('\0').filter(Boolean)) {
    await cp(join(ROOT, file), join(to, file)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
  }
  await symlink(join(ROOT, 'node_modules'), join(to, 'node_modules'));
}

async function manifest(): Promise<Manifest> {
  const value: Manifest = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8'));
  return value;
}

/** `npx trotline …` in the application's folder. */
function trotline(...args: readonly string[]): Promise<{ stdout: string; stderr: string }> {
  const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}` };
  return run('npx', ['--no-install', 'trotline', ...args], { cwd: join(folder, 'app'), env });
}

describe('the package', () => {
  it('has what runs and no Node of its own', async () => {
    expect((await manifest()).optionalDependencies).toBeUndefined();
    const { stdout } = await run('find', ['.', '-name', 'node_modules', '-prune', '-o', '-type', 'f', '-print'], {
      cwd: installed,
    });
    const files = stdout.split('\n');
    expect(files).toContain('./dist/bundle/sidecar.js');
    expect(files).toContain('./native/binding.gyp');
    expect(files.filter((file) => /tsconfig|^\.\/test|[^d]\.ts$/.test(file))).toEqual([]);
  });

  it('prints its help and checks hooks', async () => {
    expect((await trotline('--help')).stdout).toMatch(/Usage: trotline/);
    const hooks = join(installed, 'deploy/examples/hooks');
    const { stdout, stderr } = await trotline('hooks', 'validate', hooks);
    expect(stdout + stderr).toMatch(/link-log/);
  });

  it('gives plugin authors their API', async () => {
    const program = "import { defineAction } from 'trotline/plugin'; console.log(typeof defineAction)";
    const options = { cwd: join(folder, 'app') };
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program], options);
    expect(stdout).toBe('function\n');
  });

  it('gives agents their library', async () => {
    const program = "import { createHooks } from 'trotline/agent'; console.log(typeof createHooks().withHooks)";
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program], {
      cwd: join(folder, 'app'),
    });
    expect(stdout).toBe('function\n');
  });

  it('builds its native part', async () => {
    const { stderr } = await run(process.execPath, ['native/build.mjs'], {
      cwd: installed,
      env: { ...process.env, CI: 'true' },
    });
    expect(stderr).toBe('');
    const client = await run(join(installed, 'native/build/Release/trotline-hook'), ['--version']);
    expect(client.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it.skipIf(missing !== null)(`runs both processes${missing === null ? '' : ` (skipped: ${missing})`}`, async () => {
    const scenario = join(ROOT, 'test/e2e/up/scenarios.ts');
    const entry = join(installed, 'trotline.mjs');
    const { lines, stderr } = await inNetns<{ end: { exit: number } }>(scenario, ['firstTry', entry], {
      timeoutMs: 110_000,
      ownProcesses: true,
    });
    expect(stderr).toBe('');
    expect(lines[0]?.end.exit).toBe(0);
  });
});

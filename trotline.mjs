#!/usr/bin/env node
// The entry point. Plain JavaScript without imports of ours, so that an older Node can say what it needs.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const NEEDED = [24, 12];

/** Programs of their own; everything else is the command line. A checkout runs the source, a package what was built. */
const PROGRAMS = {
  'control-plane': { source: 'control-plane/main.ts', built: 'dist/control-plane/main.js', flags: [] },
  // One bundle, a small young generation, an old one that is collected early, few malloc arenas: docs/decisions/bundle.md.
  sidecar: {
    source: 'sidecar/main.ts',
    built: 'dist/bundle/sidecar.js',
    flags: ['--max-semi-space-size=2', '--heap-growing-percent=30'],
    env: { MALLOC_ARENA_MAX: '2' },
  },
  guard: { source: 'sidecar/guard-main.ts', built: 'dist/sidecar/guard-main.js', flags: [] },
  bundles: { source: 'sidecar/bundles-main.ts', built: 'dist/sidecar/bundles-main.js', flags: [] },
};
const COMMAND_LINE = { source: 'control-plane/cli/main.ts', built: 'dist/control-plane/cli/main.js', flags: [] };

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < NEEDED[0] || (major === NEEDED[0] && minor < NEEDED[1])) {
  console.error(`trotline needs Node ${NEEDED.join('.')} or newer; this is ${process.versions.node}`);
  process.exit(1);
}

const fromSource = existsSync(new URL('tsconfig.json', import.meta.url));
const [command = ''] = process.argv.slice(2);
const own = Object.hasOwn(PROGRAMS, command);
const { source, built, flags, env = {} } = own ? PROGRAMS[command] : COMMAND_LINE;
const program = new URL(fromSource ? source : built, import.meta.url);
const argv = [fileURLToPath(program), ...process.argv.slice(own ? 3 : 2)];
const nodeFlags = fromSource ? ['--conditions=source', ...flags] : flags;

if (nodeFlags.length === 0) {
  process.argv.splice(1, process.argv.length, ...argv);
  await import(program.href);
} else {
  // The same process goes on as Node with these flags: signals, descriptors and the exit code are its own.
  process.execve(process.execPath, [process.execPath, ...nodeFlags, ...process.execArgv, ...argv], {
    ...env,
    ...process.env,
  });
}

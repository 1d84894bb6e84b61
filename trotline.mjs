#!/usr/bin/env node
// The entry point. Plain JavaScript without imports of ours, so that an older Node can say what it needs.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const NEEDED = [24, 12];

/** Programs of their own; everything else is the command line. */
const PROGRAMS = { 'control-plane': 'control-plane/main', sidecar: 'sidecar/main' };

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < NEEDED[0] || (major === NEEDED[0] && minor < NEEDED[1])) {
  console.error(`trotline needs Node ${NEEDED.join('.')} or newer; this is ${process.versions.node}`);
  process.exit(1);
}

// A checkout has the sources, a package only what was built.
const fromSource = existsSync(new URL('tsconfig.json', import.meta.url));
const [command = '', ...rest] = process.argv.slice(2);
const own = Object.hasOwn(PROGRAMS, command);
const path = own ? PROGRAMS[command] : 'control-plane/cli/main';
const program = new URL(fromSource ? `${path}.ts` : `dist/${path}.js`, import.meta.url);
const args = own ? rest : process.argv.slice(2);

const hasCondition = [...process.execArgv, process.env.NODE_OPTIONS ?? ''].some((text) =>
  /(--conditions|-C)[= ]source/.test(text),
);
if (!fromSource || hasCondition) {
  process.argv.splice(1, process.argv.length - 1, fileURLToPath(program), ...args);
  await import(program.href);
} else {
  const argv = ['--conditions=source', ...process.execArgv, fileURLToPath(program), ...args];
  const child = spawn(process.execPath, argv, { stdio: 'inherit' });
  // The terminal tells both of a Ctrl-C; what is sent to us alone is passed on.
  process.on('SIGINT', () => undefined);
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    console.error(`error: ${error.message}`);
    process.exitCode = 1;
  });
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? (signal === null ? 1 : 128);
  });
}

import { ChildProcess, spawn } from 'node:child_process';
import { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { launch } from './launcher.ts';

/** A native spawner that was started, and the two ends to talk to it. */
export interface SpawnerPipes {
  readonly pid: number;
  readonly input: Writable;
  readonly output: Readable;
  /** Resolves with how it ended, once everything that it said was read. */
  readonly ended: Promise<string>;
  /** SIGKILL. */
  kill(): void;
  /** Whether it keeps this process alive. */
  hold(held: boolean): void;
}

/** By the launcher where one started this process, else as a child. Throws `NativeError` when the launcher refuses. */
export function startSpawner(binary: string, lockFile: string | null): SpawnerPipes {
  const launched = launch('spawner', lockFile);
  if (launched === null) return asChild(binary, lockFile);
  const [input, output] = launched.descriptors;
  if (input === undefined || output === undefined) throw new Error('the launcher gave no pipes');
  return throughLauncher(launched.pid, input, output);
}

function asChild(binary: string, lockFile: string | null): SpawnerPipes {
  const args = lockFile === null ? [] : ['--lock', lockFile];
  // A session of its own: Ctrl-C is for the sidecar, which drains first.
  const child = spawn(binary, args, { stdio: ['pipe', 'pipe', 'ignore'], env: {}, cwd: '/', detached: true });
  const ended = new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
  const { stdin: input, stdout: output } = child;
  return {
    pid: child.pid ?? 0,
    input,
    output,
    ended,
    kill: () => void child.kill('SIGKILL'),
    hold: (held) => hold([child, input, output], held),
  };
}

function throughLauncher(pid: number, inputFd: number, outputFd: number): SpawnerPipes {
  const input = new Socket({ fd: inputFd, readable: false, writable: true });
  const output = new Socket({ fd: outputFd, readable: true, writable: false });
  // The launcher reaps it: what is left to see here is that nobody writes any more.
  const ended = new Promise<string>((resolve) => {
    output
      .on('error', () => undefined)
      .on('close', () => {
        input.destroy();
        resolve('its pipe was closed');
      });
  });
  return {
    pid,
    input,
    output,
    ended,
    kill: () => {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended.
      }
    },
    hold: (held) => hold([input, output], held),
  };
}

function hold(handles: readonly unknown[], held: boolean): void {
  for (const handle of handles) {
    if (!(handle instanceof ChildProcess || handle instanceof Socket)) continue;
    if (held) handle.ref();
    else handle.unref();
  }
}

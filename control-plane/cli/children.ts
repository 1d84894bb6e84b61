/** Processes that `trotline up` starts: each in a group of its own, with a pipe whose closing means "stop". */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, renameSync, statSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Duplex } from 'node:stream';

import { errorText, isObject } from '#core';

/** A log file is put aside at this size; so many old ones stay. */
const LOG_BYTES = 5 << 20;
const OLD_LOGS = 2;
/** Last lines of a child's output that are kept to say why it ended. */
const LAST_LINES = 20;
/** Descriptor of the pipe in the child: the entry point passes on only the standard ones. */
const PARENT_FD = 0;
/** The entry point, which knows where each program is and Node's flags for it. */
const ENTRY = join(dirname(createRequire(import.meta.url).resolve('trotline/package.json')), 'trotline.mjs');

export interface ChildOptions {
  /** For people: `control plane`. */
  readonly name: string;
  /** Command of the entry point. */
  readonly program: 'control-plane' | 'sidecar';
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Its output goes there. */
  readonly onOutput: (text: string) => void;
}

export class Child {
  readonly name: string;
  /** Resolves when the process has ended; says how. */
  readonly ended: Promise<string>;
  readonly #process: ChildProcess;
  readonly #last: string[] = [];
  #hasEnded = false;

  constructor({ name, program, args, env, onOutput }: ChildOptions) {
    this.name = name;
    this.#process = spawn(process.execPath, [ENTRY, program, ...args], {
      detached: true,
      env: { ...env, TROTLINE_PARENT_FD: String(PARENT_FD) },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        onOutput(text);
        this.#last.push(...text.split('\n').filter((line) => line !== ''));
        this.#last.splice(0, this.#last.length - LAST_LINES);
      });
    }
    this.#pipe?.on('error', () => undefined).resume();
    this.ended = new Promise((resolve) => {
      this.#process.once('error', (error) => resolve(error.message));
      this.#process.once('close', (code, signal) => {
        this.#hasEnded = true;
        resolve(signal === null ? `exit code ${code}` : `signal ${signal}`);
      });
    });
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** The last error that it told of; '' when it told of none. */
  get lastWords(): string {
    return this.#last.map(errorOf).findLast((text) => text !== '') ?? '';
  }

  /** The last record with this message among its last lines of log. */
  logged(message: string): Readonly<Record<string, unknown>> | undefined {
    return this.#last.map(recordOf).findLast((record) => record?.msg === message);
  }

  /** Asks it to stop: it drains first. */
  requestStop(): void {
    this.#pipe?.destroy();
  }

  /** Now, with all it started. */
  kill(): void {
    if (this.#hasEnded || this.pid === undefined) return;
    try {
      process.kill(-this.pid, 'SIGKILL');
    } catch {
      // It ended in between.
    }
  }

  get #pipe(): Duplex | null {
    const pipe = this.#process.stdio[PARENT_FD];
    return pipe instanceof Duplex ? pipe : null;
  }
}

/** The error in a line of output: our own `error: …`, or a log record of that level. */
function errorOf(line: string): string {
  if (line.startsWith('error: ')) return line.slice('error: '.length);
  const record = recordOf(line);
  if (record?.level !== 'error') return '';
  return [record.msg, record.error].filter((part) => typeof part === 'string').join(': ');
}

function recordOf(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** A log file that puts itself aside when it has grown: `.1`, `.2`. On a disk that fails the log goes, and nothing else. */
export class RotatingFile {
  readonly #path: string;
  readonly #onTrouble: (reason: string) => void;
  #fd: number | null = null;
  #bytes = 0;
  #failing = false;

  /** `onTrouble`: once for each time that the file cannot be written. */
  constructor(path: string, onTrouble: (reason: string) => void) {
    this.#path = path;
    this.#onTrouble = onTrouble;
    this.#attempt(() => mkdirSync(dirname(path), { recursive: true, mode: 0o700 }));
  }

  write(text: string): void {
    this.#attempt(() => {
      this.#fd ??= this.#open();
      this.#bytes += writeSync(this.#fd, text);
      if (this.#bytes >= LOG_BYTES) this.#rotate(this.#fd);
    });
  }

  close(): void {
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
  }

  #open(): number {
    const fd = openSync(this.#path, 'a', 0o600);
    this.#bytes = statSync(this.#path).size;
    return fd;
  }

  #rotate(fd: number): void {
    this.#fd = null;
    closeSync(fd);
    for (let number = OLD_LOGS; number > 1; number--)
      moveIfThere(`${this.#path}.${number - 1}`, `${this.#path}.${number}`);
    moveIfThere(this.#path, `${this.#path}.1`);
  }

  #attempt(work: () => void): void {
    try {
      work();
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.#onTrouble(errorText(error));
      this.#failing = true;
    }
  }
}

function moveIfThere(from: string, to: string): void {
  if (statSync(from, { throwIfNoEntry: false })) renameSync(from, to);
}

/** Processes that tests start, kill and start again; all are ended with the test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

import { eventually } from '../eventually.ts';

export class Killable implements AsyncDisposable {
  readonly #script: string;
  readonly #args: readonly string[];
  readonly #ready: RegExp;
  readonly #flags: readonly string[];
  #child: ChildProcess | null = null;
  #output = '';

  /** `ready`: what it says on stdout once it serves. `flags`: Node's. */
  constructor(
    script: string,
    args: readonly string[],
    ready: RegExp,
    flags: readonly string[] = ['--conditions=source'],
  ) {
    this.#flags = flags;
    this.#script = script;
    this.#args = args;
    this.#ready = ready;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get output(): string {
    return this.#output;
  }

  async start(): Promise<void> {
    this.#output = '';
    const child = spawn(process.execPath, [...this.#flags, this.#script, ...this.#args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    const add = (text: string): void => void (this.#output += text);
    child.stdout.setEncoding('utf8').on('data', add);
    child.stderr.setEncoding('utf8').on('data', add);
    await eventually(
      () => {
        if (!this.#ready.test(this.#output)) throw new Error(`${this.#script} is not ready: ${this.#output}`);
      },
      { timeoutMs: 20_000 },
    );
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

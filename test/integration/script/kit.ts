/** Real scripts in a folder of their own, run by a real sidecar for events that the test emits. */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect } from 'vitest';

import type { AttemptRecord, EventDraft, SourceContext } from '#core';
import { DEFAULT_POLICY, type NodePolicy } from '#sidecar';

import type { EventSummary, HookStats } from '../../../control-plane/store/types.ts';
import { script } from '../../../plugins/actions/script/index.ts';
import { eventually } from '../../kit/eventually.ts';
import { manualSource, numberedDraft } from '../../kit/numbered.ts';
import { hookYaml, startThread, type Thread } from '../../kit/thread.ts';

export interface Stage {
  /** Name → text of an executable file in the folder. */
  readonly scripts?: Readonly<Record<string, string>>;
  /** File name → YAML. */
  readonly hooks: Readonly<Record<string, string>>;
  readonly policy?: Partial<NodePolicy['script']>;
}

export class Scripts implements AsyncDisposable {
  readonly folder: string;
  readonly thread: Thread;
  /** The interface of events unless told otherwise, so that the programs of this test can be found. */
  readonly mark: string;
  readonly #source: () => SourceContext;
  #emitted = 0;

  constructor(folder: string, thread: Thread, mark: string, source: () => SourceContext) {
    this.folder = folder;
    this.thread = thread;
    this.mark = mark;
    this.#source = source;
  }

  /** So many events, numbered from 1. */
  async emit(count = 1, parts: Partial<EventDraft> = {}): Promise<void> {
    const drafts = Array.from({ length: count }, () =>
      numberedDraft(++this.#emitted, { interface: this.mark, ...parts }),
    );
    await this.#source().emit(drafts);
  }

  /** The events, oldest first, once so many hooks have their outcomes. */
  async outcomes(count: number, timeoutMs = 15_000): Promise<EventSummary[]> {
    return eventually(
      async () => {
        const events = await this.thread.fullEvents('?limit=1000');
        const final = events.flatMap(({ hooks }) => hooks).filter(({ outcome }) => outcome !== 'pending');
        expect(final).toHaveLength(count);
        return events.toReversed();
      },
      { timeoutMs },
    );
  }

  /** Every attempt of a hook, once so many hooks have their outcomes. */
  async attempts(count = 1, hook?: string): Promise<AttemptRecord[]> {
    const hooks = (await this.outcomes(count)).flatMap((event) => event.hooks);
    return hooks
      .filter((each) => hook === undefined || each.hook === `trotline/${hook}`)
      .flatMap(({ attempts }) => attempts);
  }

  async stats(hook: string): Promise<HookStats> {
    const found = (await this.thread.stats()).find((each) => each.hook === `trotline/${hook}`);
    if (!found) throw new Error(`no statistics of ${hook}`);
    return found;
  }

  /** Resolves when the sidecar runs what the hook files say, with this hook changed from its former digest. */
  async changeHook(name: string, change: () => Promise<unknown>): Promise<void> {
    const digest = () => this.thread.sidecar.hooks.get(`trotline/${name}`)?.hook.digest;
    const before = digest();
    await change();
    await eventually(() => digest() !== before);
  }

  /** A file of the folder; empty when it is not there. */
  async text(file: string): Promise<string> {
    return readFile(join(this.folder, file), 'utf8').catch(() => '');
  }

  async write(file: string, text: string): Promise<void> {
    await writeFile(join(this.folder, file), text);
  }

  /** What `logged` scripts wrote. */
  async runs(): Promise<Run[]> {
    const runs = new Map<string, Run>();
    for (const line of (await this.text('log')).split('\n').filter(Boolean)) {
      const [edge, hook = '', number = '', nanoseconds = ''] = line.split(' ');
      const key = `${hook} ${number}`;
      const ms = Number(BigInt(nanoseconds) / 1000n) / 1000;
      const run = runs.get(key) ?? { hook, number: Number(number), startMs: ms, endMs: Number.POSITIVE_INFINITY };
      runs.set(key, edge === 'start' ? run : { ...run, endMs: ms });
    }
    return [...runs.values()];
  }

  /** Living processes of this test's programs. */
  living(): number[] {
    return processes().filter((pid) => procText(pid, 'environ').includes(`NLMON_INTERFACE=${this.mark}\0`));
  }

  /** Its arguments, joined. */
  commandOf(pid: number): string {
    return procText(pid, 'cmdline').replaceAll('\0', ' ');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.thread[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true });
    expect(this.living()).toEqual([]);
  }
}

export interface Run {
  readonly hook: string;
  readonly number: number;
  readonly startMs: number;
  readonly endMs: number;
}

export async function startScripts(setUp: (folder: string) => Stage): Promise<Scripts> {
  const folder = await mkdtemp(join(tmpdir(), 'trotline-scripts-'));
  await chmod(folder, 0o755);
  const { scripts = {}, hooks, policy } = setUp(folder);
  for (const [name, text] of Object.entries(scripts)) await writeExecutable(join(folder, name), text);
  let source: SourceContext | undefined;
  const thread = await startThread({
    hooks,
    sources: [manualSource((context) => void (source = context))],
    actions: [script],
    policy: {
      ...DEFAULT_POLICY,
      script: { directories: [folder, '/bin'], users: [], shell: true, writable: 'refuse', ...policy },
    },
  }).catch(async (error: unknown) => {
    await rm(folder, { recursive: true });
    throw error;
  });
  return new Scripts(folder, thread, randomUUID(), () => source!);
}

export async function writeExecutable(path: string, text: string): Promise<void> {
  await writeFile(path, text);
  await chmod(path, 0o755);
}

/** A command line on this control plane, run to its end. */
export async function trotline(
  scripts: Scripts,
  ...args: string[]
): Promise<{ readonly code: unknown; readonly stdout: string; readonly stderr: string }> {
  const cli = fileURLToPath(new URL('../../../control-plane/cli/main.ts', import.meta.url));
  const argv = ['--conditions=source', cli, ...args];
  const env = { ...process.env, TROTLINE_DATA: scripts.thread.folder };
  return new Promise((resolve) => {
    execFile(process.execPath, argv, { env }, (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, stdout, stderr }),
    );
  });
}

/** A shell script that does this. */
export function sh(body: string): string {
  return `#!/bin/sh\n${body}\n`;
}

/** A shell script that writes down when it starts and ends. */
export function logged(folder: string, body: string): string {
  const line = (edge: string) => `echo "${edge} $TROTLINE_HOOK $NLMON_SEQUENCE $(date +%s%N)" >> ${folder}/log`;
  return sh(`${line('start')}\n${body}\n${line('end')}`);
}

/** An EventHook that runs this program; `config` and `spec` are more lines in flow style. */
export function hook(name: string, command: readonly string[], { config = '', spec = '' } = {}): string {
  return hookYaml(name, { spec, config: `command: ${JSON.stringify(command)}${config === '' ? '' : `, ${config}`}` });
}

/** A document of nlmon's form; JSON is YAML. */
export function nlmon(...hooks: readonly object[]): string {
  return JSON.stringify({ nlmon: { integration: { hooks } } });
}

/** The most that ran at the same time. */
export function atOnce(runs: readonly Run[]): number {
  const overlap = ({ startMs }: Run) => runs.filter((run) => run.startMs <= startMs && startMs < run.endMs).length;
  return Math.max(0, ...runs.map(overlap));
}

export function processes(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** Empty when the process is gone. */
export function procText(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return '';
  }
}

/** Hooks as resources of the API server: the same reading as of a directory, each resource a file of its own. */
import {
  API_VERSION,
  type Clock,
  type Component,
  type Issue,
  KHOOK_API_VERSION,
  type Log,
  type Vocabulary,
} from '#core';

import { type HookFile, type HookFiles, NO_HOOK_FILES, readHookFiles } from '../config/hook-files.ts';
import type { OpenKubernetesApi } from './api.ts';
import { confine } from './authority.ts';
import { laterWriter } from './elsewhere.ts';
import { type Grants, NO_GRANTS } from './grants.ts';
import { followResources, type Resource } from './resources.ts';

/** Kinds of hooks, and where they are. */
const KINDS = [
  { kind: 'EventHook', apiVersion: API_VERSION, path: `/apis/${API_VERSION}/eventhooks` },
  { kind: 'Hook', apiVersion: KHOOK_API_VERSION, path: `/apis/${KHOOK_API_VERSION}/hooks` },
] as const;
export type HookKind = (typeof KINDS)[number]['kind'];

/** A resource as it was read last, and what it says about itself. */
export interface HookResource {
  readonly kind: HookKind;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly generation: number;
  readonly status: unknown;
  /** Who wrote this status after us; '' nobody did. */
  readonly laterWriter: string;
  /** As problems name it: `EventHook shop/oom`. */
  readonly file: string;
  readonly issues: readonly Issue[];
}

export interface HookResourcesOptions {
  readonly api: OpenKubernetesApi;
  /** Rejects, and with it the start, when the administrator's file is none. */
  readonly grants: () => Promise<Grants>;
  /** Of this cluster's kagent. */
  readonly kagentUrl: string;
  readonly vocabulary: Vocabulary;
  readonly clock: Clock;
  readonly log: Log;
}

export class HookResources implements Component {
  readonly #options: HookResourcesOptions;
  readonly #halt = new AbortController();
  readonly #listeners = new Set<(isNews: boolean) => void>();
  readonly #found = new Map<HookKind, readonly Resource[]>();
  readonly #problems = new Map<HookKind, string>();
  #grants: Grants = NO_GRANTS;
  #files: HookFiles = NO_HOOK_FILES;
  #texts = '';
  #resources: readonly HookResource[] = [];
  #told: ReadonlyMap<string, string> = new Map();

  constructor(options: HookResourcesOptions) {
    this.#options = options;
  }

  get files(): HookFiles {
    return this.#files;
  }

  /** Why some of them are not heard; null: all are. Those that were read stay meanwhile. */
  get problem(): string | null {
    return [...this.#problems.values()].join('; ') || null;
  }

  get resources(): readonly HookResource[] {
    return this.#resources;
  }

  onRead(listener: (isNews: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves after the first lists, or when they failed: a control plane starts without the API server, too. */
  async start(): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = this.#halt;
    this.#grants = await this.#options.grants();
    const api = await this.#options.api();
    const follow = ({ kind, path }: (typeof KINDS)[number]): Promise<void> =>
      followResources({
        api,
        path,
        clock,
        log,
        signal,
        onChange: (resources) => {
          this.#found.set(kind, resources);
          this.#read();
        },
        onProblem: (problem) => this.#troubled(kind, problem),
      });
    await Promise.all(KINDS.map(follow));
    this.#read();
  }

  async stop(): Promise<void> {
    this.#halt.abort();
  }

  #troubled(kind: HookKind, problem: string | null): void {
    const { log } = this.#options;
    if (problem === null) this.#problems.delete(kind);
    else this.#problems.set(kind, problem);
    if (problem === null) log.info({ kind }, 'hooks of the API server heard');
    else log.warn({ kind, problem }, 'hooks of the API server not heard');
    for (const listener of this.#listeners) listener(false);
  }

  #read(): void {
    const { vocabulary } = this.#options;
    const documents = KINDS.flatMap((kind) =>
      (this.#found.get(kind.kind) ?? []).map((object) => this.#document(kind, object)),
    );
    documents.sort((a, b) => (a.file.file < b.file.file ? -1 : 1));
    const texts = JSON.stringify(documents.map(({ file }) => file));
    // A status that changed, ours among them, is no news of the hooks.
    const isNews = texts !== this.#texts;
    this.#texts = texts;
    this.#files = readHookFiles(
      documents.map(({ file }) => file),
      vocabulary,
      this.#files,
    );
    const issues = Map.groupBy(this.#files.refused, ({ file }) => file);
    this.#resources = documents.map(({ resource }) =>
      Object.assign({}, resource, { issues: (issues.get(resource.file) ?? []).flatMap((refused) => refused.issues) }),
    );
    this.#log();
    for (const listener of this.#listeners) listener(isNews);
  }

  /** Each refusal once, until it changes. */
  #log(): void {
    const { log } = this.#options;
    const told = new Map<string, string>();
    for (const { file, issues } of this.#resources) {
      if (issues.length === 0) continue;
      const problems = issues.map(({ path, message }) => `${path}: ${message}`);
      told.set(file, problems.join('\n'));
      if (this.#told.get(file) !== told.get(file)) log.warn({ hook: file, problems }, 'hook refused');
    }
    this.#told = told;
  }

  /** What the administrator did not allow is refused whole: its last good version stays. */
  #document({ kind, apiVersion }: (typeof KINDS)[number], { metadata, spec, status }: Resource) {
    const { name = '', namespace = '', uid = '', generation = 0 } = metadata ?? {};
    const place = `${kind} ${namespace}/${name}`;
    const confined = confine(kind, namespace, spec, { grants: this.#grants, kagentUrl: this.#options.kagentUrl });
    const problem = confined.issues.map(
      ({ path, message, expected }) => `${path}: ${message}, expected ${expected ?? ''}`,
    );
    const document = { apiVersion, kind, metadata: { name, namespace }, spec: confined.spec };
    const file: HookFile =
      problem.length > 0
        ? { file: place, problem: problem.join('; ') }
        : { file: place, text: JSON.stringify(document, null, 2) };
    return {
      file,
      resource: {
        kind,
        namespace,
        name,
        uid,
        generation,
        status,
        laterWriter: laterWriter(metadata?.managedFields),
        file: place,
        issues: [],
      },
    };
  }
}

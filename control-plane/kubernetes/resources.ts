/** Every object of one kind of resource, followed without end. */
import type { Informer, KubernetesListObject, KubernetesObject, ObjectCache } from '@kubernetes/client-node';

import { type Clock, errorText, isObject, type Log } from '#core';

import { ApiError, type KubernetesApi } from './api.ts';

const FIRST_PAUSE_MS = 500;
const LAST_PAUSE_MS = 30_000;
/** While the kind is not known there: whoever installs it wants to see it work. */
const MISSING_PAUSE_MS = 2000;

export type Resource = KubernetesObject & { readonly spec?: unknown; readonly status?: unknown };

export interface FollowOptions {
  readonly api: KubernetesApi;
  /** `/apis/trotline.dev/v1alpha1/eventhooks`. */
  readonly path: string;
  /** All there are, after each change. */
  readonly onChange: (resources: readonly Resource[]) => void;
  /** Null: they are heard; else why not. Called on changes only. */
  readonly onProblem: (problem: string | null) => void;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Resolves after the first list, or the first failure; goes on until the signal aborts. */
export async function followResources(options: FollowOptions): Promise<void> {
  const { api, path, onChange, onProblem, clock, log, signal } = options;
  const { makeInformer } = await import('@kubernetes/client-node');
  const list = async (): Promise<KubernetesListObject<Resource>> => {
    const all = listOf(await listAll(api, path));
    failures = 0;
    tell(null);
    changed();
    return all;
  };
  let informer: Informer<Resource> & ObjectCache<Resource> = makeInformer<Resource>(api.config, path, list);
  let problem: string | null = '';
  let failures = 0;
  let scheduled = false;
  const tell = (now: string | null): void => {
    if (now === problem) return;
    problem = now;
    onProblem(now);
  };
  const changed = (): void => {
    if (scheduled) return;
    scheduled = true;
    // Changes of one turn are one reading.
    setImmediate(() => {
      scheduled = false;
      if (!signal.aborted) onChange(informer.list());
    });
  };
  const again = (error: unknown): void => {
    if (signal.aborted) return;
    const missing = error instanceof ApiError && error.status === 404;
    tell(
      missing
        ? `the API server does not know ${path}: its CustomResourceDefinition is not installed`
        : errorText(error),
    );
    log.debug({ path, error: errorText(error) }, 'resources not heard');
    const pause = Math.min(LAST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures++, 10));
    const cancel = clock.after((missing ? MISSING_PAUSE_MS : pause) * (0.5 + Math.random()), () => void start());
    signal.addEventListener('abort', cancel, { once: true });
  };
  /** Each start lists anew: that alone says that the server is heard again. */
  const start = async (): Promise<void> => {
    if (signal.aborted) return;
    await informer.stop();
    informer = makeInformer<Resource>(api.config, path, list);
    informer.on('change', changed);
    informer.on('error', again);
    try {
      await informer.start();
    } catch (error) {
      again(error);
    }
  };
  signal.addEventListener('abort', () => void informer.stop(), { once: true });
  await start();
}

/** In pages, so that thousands come in no answer of many MiB. */
async function listAll(api: KubernetesApi, path: string) {
  const items: unknown[] = [];
  let token = '';
  let resourceVersion: unknown = '';
  do {
    const page = await api.request(
      'GET',
      `${path}?limit=500${token === '' ? '' : `&continue=${encodeURIComponent(token)}`}`,
    );
    const metadata = isObject(page.metadata) ? page.metadata : {};
    if (Array.isArray(page.items)) items.push(...page.items);
    resourceVersion ||= metadata.resourceVersion;
    token = typeof metadata.continue === 'string' ? metadata.continue : '';
  } while (token !== '');
  return { items, resourceVersion };
}

function listOf({ items, resourceVersion }: Awaited<ReturnType<typeof listAll>>): KubernetesListObject<Resource> {
  return {
    items: items.filter((item): item is Resource => isObject(item)),
    metadata: { resourceVersion: typeof resourceVersion === 'string' ? resourceVersion : '' },
  };
}

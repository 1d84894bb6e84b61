import type { FastifyInstance, FastifyRequest } from 'fastify';

import { AppError, type Hook, hookId, isObject, parseConfig, type TrotlineEvent, type Vocabulary } from '#core';

import { NO_HOOK_FILES, readHookFiles } from '../config/hook-files.ts';
import { shownHook } from '../config/secrets.ts';
import { explainHook } from '../explain.ts';
import type { ApiParts } from './api.ts';
import { EventInput, HookName, TestBody, ValidateBody, whoOf } from './inputs.ts';
import { canonicalType, fullHookId } from './names.ts';
import { hooksView, hookViews, type HookView } from './views.ts';

/** `/v1/hooks`: what is in effect, its switches, and asking why. */
export function addHookRoutes(app: FastifyInstance, parts: ApiParts): void {
  const { hooks, sidecars, store, vocabulary } = parts;

  const view = async (id: string): Promise<HookView> => {
    const hook = hooks.hook(id);
    return hookViews(hooks.current, sidecars.list(), await store.stats())(hook);
  };
  const override = async (request: FastifyRequest, enabled: boolean | null): Promise<HookView> => {
    const id = hookId(parseConfig(HookName, request.params, 'path'));
    await hooks.setOverride(id, enabled, whoOf(request));
    return view(id);
  };

  app.get('/v1/hooks', async () => hooksView(hooks.current, sidecars.list(), await store.stats()));
  app.get('/v1/hooks/:namespace/:name', ({ params }) => view(hookId(parseConfig(HookName, params, 'path'))));
  app.post('/v1/hooks/:namespace/:name/enable', (request) => override(request, true));
  app.post('/v1/hooks/:namespace/:name/disable', (request) => override(request, false));
  app.delete('/v1/hooks/:namespace/:name/override', (request) => override(request, null));
  app.post('/v1/hooks/validate', async ({ body }) => {
    const {
      hooks: read,
      refused,
      warnings,
    } = readHookFiles([parseConfig(ValidateBody, body, 'body')], vocabulary, NO_HOOK_FILES);
    return {
      hooks: read.map(shownHook),
      refused,
      warnings,
    };
  });
  app.post('/v1/hooks/test', async ({ body }) => {
    const input = parseConfig(TestBody, body, 'body');
    const hook = hookNamed(input.hook, parts);
    return explainHook(hook, await eventFor(input.event, hook, parts));
  });
}

function hookNamed(name: string, { hooks }: ApiParts): Hook {
  return hooks.hook(fullHookId(name));
}

async function eventFor(event: unknown, hook: Hook, { store, vocabulary, clock }: ApiParts): Promise<TrotlineEvent> {
  if (isObject(event)) return eventOf(event, vocabulary, clock.now());
  if (typeof event !== 'string' || event === '')
    throw new AppError('USAGE', 'event is missing, expected an event, an id or "last"');
  const id = event === 'last' ? await lastId(hook, store) : event;
  const found = await store.event(id);
  if (!found) throw new AppError('NOT_FOUND', `there is no event with the id "${id}"`);
  return found.event;
}

/** The newest event that the hook's source emitted. */
async function lastId({ spec }: Hook, store: ApiParts['store']): Promise<string> {
  const [last] = await store.events({ limit: 1, ...(spec.source === '' ? {} : { source: spec.source }) });
  if (!last) throw new AppError('NOT_FOUND', 'no event is stored yet; only events that a hook took are');
  return last.id;
}

function eventOf(input: object, vocabulary: Vocabulary, now: number): TrotlineEvent {
  const { source, subject, time, ...event } = parseConfig(EventInput, input, 'event');
  const type = canonicalType(event.type, vocabulary);
  return {
    ...event,
    type,
    source: source ?? type.slice(0, Math.max(0, type.indexOf('.'))),
    subject: subject ?? event.interface,
    time: time ?? now,
  };
}

/** Where this cluster's kagent is: settings of the control plane, for every hook that says nothing of its own (spec khook, section 4). */
import { createHook, type Hook, isObject } from '#core';
import { KAGENT_URL, KAGENT_USER } from '#plugins/schemas';

export interface KagentSettings {
  readonly url: string;
  readonly userId: string;
  /** Sent as bearer token to that `url` alone, and not through a hook's own proxy; '' none. */
  readonly apiKey: string;
}

/** khook's variables, both spellings of the first; their defaults are those of the action. */
export function kagentSettings(env: NodeJS.ProcessEnv): KagentSettings {
  return {
    url: env.KAGENT_BASE_URL || env.KAGENT_API_URL || KAGENT_URL,
    userId: env.KAGENT_USER_ID || KAGENT_USER,
    apiKey: env.KAGENT_API_KEY ?? '',
  };
}

/** The hook as sidecars get it; what it says itself stays. */
export function withKagent(hook: Hook, settings: KagentSettings): Hook {
  const actions = hook.spec.actions.map((action) => {
    const { type, config } = action;
    const { kagent, bearer, proxy, tls }: { kagent?: unknown; bearer?: unknown; proxy?: unknown; tls?: unknown } =
      config;
    if (type !== 'a2a' || !isObject(kagent)) return action;
    const url = kagent.url === KAGENT_URL ? settings.url : kagent.url;
    const userId = kagent.userId === KAGENT_USER ? settings.userId : kagent.userId;
    // A proxy or an authority of the hook's own could read it on the way.
    const isOurs = url === settings.url && proxy === undefined && tls === undefined;
    const key = bearer === undefined && settings.apiKey !== '' && isOurs ? { bearer: settings.apiKey } : {};
    return { type, config: { ...config, ...key, kagent: { ...kagent, url, userId } } };
  });
  const changed = JSON.stringify(actions) !== JSON.stringify(hook.spec.actions);
  return changed ? createHook({ ...hook, spec: { ...hook.spec, actions } }) : hook;
}

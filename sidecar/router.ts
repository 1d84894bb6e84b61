import { compileConditionInTurns, type Condition, type Hook, hookId, loadCel, type TrotlineEvent } from '#core';

/** A hook with its conditions compiled: what the router asks and the runner carries out. */
export interface RoutedHook {
  readonly id: string;
  readonly hook: Hook;
  matches(event: TrotlineEvent): boolean;
}

export interface Router {
  /** The hooks whose source, type and conditions hold, in the order of the set; empty: unmatched. Never throws. */
  route(event: TrotlineEvent): readonly RoutedHook[];
}

const NONE: readonly RoutedHook[] = [];

/**
 * Throws a FilterError when the condition is none; it was checked at the door, so that is a defect or a version skew.
 * `turn` is awaited where a long condition has held the event loop for long enough.
 */
export async function compileHook(
  hook: Hook,
  turn: () => Promise<void> | undefined = () => undefined,
): Promise<RoutedHook> {
  const { condition, cel } = hook.spec;
  const own = await compileConditionInTurns(condition, turn);
  return { id: hookId(hook), hook, matches: cel === undefined ? own.matches : both(own, (await loadCel())(cel)) };
}

/** The condition first: it is the cheaper one. */
function both(condition: Condition, cel: Condition): RoutedHook['matches'] {
  if (condition.text === '') return cel.matches;
  return (event) => condition.matches(event) && cel.matches(event);
}

/** Indexes enabled hooks by source and type; the candidates of a type are found once, when its first event comes. */
export function createRouter(hooks: readonly RoutedHook[]): Router {
  const enabled = hooks.filter(({ hook }) => hook.spec.enabled);
  const candidates = new Map<string, readonly RoutedHook[]>();

  const candidatesOf = (event: TrotlineEvent): readonly RoutedHook[] => {
    const found = enabled.filter(({ hook: { spec } }) => takesType(spec, event));
    candidates.set(event.type, found);
    return found;
  };

  return {
    route(event) {
      let matched: RoutedHook[] | undefined;
      for (const hook of candidates.get(event.type) ?? candidatesOf(event)) {
        if (hook.matches(event)) (matched ??= []).push(hook);
      }
      return matched ?? NONE;
    },
  };
}

function takesType(spec: Hook['spec'], event: TrotlineEvent): boolean {
  if (spec.source !== '' && spec.source !== event.type.slice(0, event.type.indexOf('.'))) return false;
  return spec.eventTypes.length === 0 || spec.eventTypes.includes(event.type);
}

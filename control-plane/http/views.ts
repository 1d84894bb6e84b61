/** What the HTTP API answers, as plain data; the command line reads the same types. */
import {
  type EventHookSpec,
  type Hook,
  type HookForm,
  hookId,
  type Issue,
  type Origin,
  type RefusedHook,
  type SourceHealth,
} from '#core';

import type { HookSnapshot } from '../config/hook-registry.ts';
import type { PushedSet } from '../config/hook-set.ts';
import { shownHook } from '../config/secrets.ts';
import type { SidecarStatus } from '../config/sidecar-registry.ts';
import type { HookStats, NodeLedger } from '../store/types.ts';

/** How a hook stands on one node. `pending`: its newest version has not been answered yet. */
export interface HookOnNode {
  readonly node: string;
  readonly sidecarId: string;
  readonly connected: boolean;
  readonly state: 'applied' | 'failed' | 'pending';
  readonly reason: string;
  readonly sinceMs: number;
}

export interface HookView {
  /** namespace/name. */
  readonly hook: string;
  readonly namespace: string;
  readonly name: string;
  readonly form: HookForm;
  readonly digest: string;
  /** What is in effect, an override included. */
  readonly enabled: boolean;
  readonly override: { readonly enabled: boolean; readonly who: string; readonly whenMs: number } | null;
  /** Its file has a newer version that was refused; `issues` say why. */
  readonly kept: boolean;
  readonly issues: readonly Issue[];
  readonly origin: Origin | null;
  /** Every default filled in, secrets taken out. */
  readonly spec: EventHookSpec;
  readonly nodes: readonly HookOnNode[];
  readonly stats: readonly HookStats[];
}

export interface HooksView {
  readonly version: string;
  /** Why the hook directory cannot be read; null: it can. */
  readonly problem: string | null;
  readonly hooks: readonly HookView[];
  readonly refused: readonly RefusedHook[];
  readonly warnings: readonly Issue[];
}

export interface SidecarView extends SidecarStatus {
  /** It runs the newest hooks. */
  readonly upToDate: boolean;
  /** What its sources last said of themselves; empty before the first report. */
  readonly sources: readonly SourceHealth[];
}

export function hooksView(
  snapshot: HookSnapshot,
  sidecars: readonly SidecarStatus[],
  stats: readonly HookStats[],
): HooksView {
  const { set, problem, refused, warnings, hooks } = snapshot;
  const { version } = set;
  return { version, problem, refused, warnings, hooks: hooks.map((hook) => hookView(hook, snapshot, sidecars, stats)) };
}

export function hookView(
  hook: Hook,
  snapshot: HookSnapshot,
  sidecars: readonly SidecarStatus[],
  stats: readonly HookStats[],
): HookView {
  const id = hookId(hook);
  const { namespace, name, form, digest, origin, spec } = hook;
  const override = snapshot.overrides.get(id);
  return {
    hook: id,
    namespace,
    name,
    form,
    digest,
    enabled: spec.enabled,
    override: override ? { enabled: override.enabled, who: override.who, whenMs: override.whenMs } : null,
    kept: snapshot.kept.has(id),
    issues: snapshot.refused.filter((refused) => refused.id === id).flatMap(({ issues }) => issues),
    origin,
    spec: shownHook(hook).spec,
    nodes: sidecars.map((sidecar) => onNode(id, snapshot.set, sidecar)),
    stats: stats.filter((one) => one.hook === id),
  };
}

function onNode(id: string, wanted: PushedSet, sidecar: SidecarStatus): HookOnNode {
  const { node, sidecarId, connected } = sidecar;
  const digest = wanted.hooks.find((hook) => hookId(hook) === id)?.digest;
  const answer = sidecar.hooks.find((applied) => applied.hook === id && applied.digest === digest);
  const head = { node, sidecarId, connected };
  if (answer) return { ...head, state: answer.state, reason: answer.reason, sinceMs: answer.sinceMs };
  const { state, reason, sinceMs, refusedVersion, heldVersion } = sidecar;
  if (refusedVersion === wanted.version && state === 'failed') return { ...head, state: 'failed', reason, sinceMs };
  // It said hello with this version: it applied it before we started.
  return { ...head, state: heldVersion === wanted.version ? 'applied' : 'pending', reason: '', sinceMs };
}

export function sidecarView(
  sidecar: SidecarStatus,
  { version }: PushedSet,
  ledger: readonly NodeLedger[],
): SidecarView {
  const own = ledger.find(({ sidecarId }) => sidecarId === sidecar.sidecarId);
  return { ...sidecar, upToDate: sidecar.heldVersion === version, sources: own?.ledger.health ?? [] };
}

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
import type { AppliedHook, SidecarStatus } from '../config/sidecar-registry.ts';
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
  const view = hookViews(snapshot, sidecars, stats);
  return { version, problem, refused, warnings, hooks: hooks.map(view) };
}

/** Makes the view of any hook of the snapshot; what all of them look up is put in order once. */
export function hookViews(
  snapshot: HookSnapshot,
  sidecars: readonly SidecarStatus[],
  stats: readonly HookStats[],
): (hook: Hook) => HookView {
  const digests = new Map(snapshot.set.hooks.map((hook) => [hookId(hook), hook.digest]));
  const answers = sidecars.map((sidecar) => ({
    sidecar,
    hooks: new Map(sidecar.hooks.map((applied) => [applied.hook, applied])),
  }));
  const refused = Map.groupBy(snapshot.refused, ({ id }) => id);
  const statsOf = Map.groupBy(stats, ({ hook }) => hook);
  return (hook) => {
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
      issues: (refused.get(id) ?? []).flatMap(({ issues }) => issues),
      origin,
      spec: shownHook(hook).spec,
      nodes: answers.map(({ sidecar, hooks }) => onNode(sidecar, hooks.get(id), digests.get(id), snapshot.set.version)),
      stats: statsOf.get(id) ?? [],
    };
  };
}

/** `answer`: what became of the version that the sidecar last had; `digest`: of the one wanted. */
function onNode(
  sidecar: SidecarStatus,
  answer: AppliedHook | undefined,
  digest: string | undefined,
  version: string,
): HookOnNode {
  const { node, sidecarId, connected, state, reason, sinceMs, refusedVersion, heldVersion } = sidecar;
  const head = { node, sidecarId, connected };
  if (answer && answer.digest === digest)
    return { ...head, state: answer.state, reason: answer.reason, sinceMs: answer.sinceMs };
  if (refusedVersion === version && state === 'failed') return { ...head, state: 'failed', reason, sinceMs };
  // It said hello with this version: it applied it before we started.
  return { ...head, state: heldVersion === version ? 'applied' : 'pending', reason: '', sinceMs };
}

export function sidecarView(
  sidecar: SidecarStatus,
  { version }: PushedSet,
  sources: readonly SourceHealth[],
): SidecarView {
  return { ...sidecar, upToDate: sidecar.heldVersion === version, sources };
}

/** Of a sidecar that has not reported since this control plane started. */
export function storedHealth({ sidecarId }: SidecarStatus, ledger: readonly NodeLedger[]): readonly SourceHealth[] {
  return ledger.find((one) => one.sidecarId === sidecarId)?.ledger.health ?? [];
}

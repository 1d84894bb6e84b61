/** The cluster as kubectl sees it: `KUBECONFIG` says which. */
import { execFileSync } from 'node:child_process';

import type { Json } from '../kit/chart.ts';

/** Ten minutes are for images, all else is quick. */
const LONGEST_MS = 600_000;

export function kubectl(args: readonly string[], input?: string): string {
  return execFileSync('kubectl', args, { encoding: 'utf8', input, timeout: LONGEST_MS, maxBuffer: 64 << 20 });
}

export function apply(documents: readonly Json[]): void {
  kubectl(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items: documents }));
}

export function get(...args: readonly string[]): unknown {
  return JSON.parse(kubectl(['get', ...args, '-o', 'json']));
}

/** Like `kubectl delete`, without waiting; what is not there is no error. */
export function remove(...args: readonly string[]): void {
  kubectl(['delete', '--ignore-not-found', '--wait=false', ...args]);
}

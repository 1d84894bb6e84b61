import { expect } from 'vitest';

import { loadAddon } from '#native';

import { inNetns, netnsMissing } from '../../kit/netns.ts';

/** Why these tests cannot run here, said once and in one line; null: they can. A machine that must run them fails instead. */
export function missingForNetlink(subject: string): string | null {
  const missing = addonMissing() ?? netnsMissing();
  if (missing === null) return null;
  const line = `${subject} are skipped: ${missing}`;
  if (process.env['CI'] === 'true') throw new Error(line);
  console.warn(line);
  return missing;
}

/** Runs a scenario in a network namespace of its own, as the user of the test or as an ordinary one; its one line of JSON. */
export async function scenario<T>(file: URL, name: string, ordinary = false): Promise<T> {
  const { lines, stderr, exitCode } = await inNetns<T>(file.pathname, [name], {
    timeoutMs: 50_000,
    ownProcesses: true,
    ordinary,
  });
  expect({ exitCode, lines: lines.length }, stderr).toEqual({ exitCode: 0, lines: 1 });
  return lines[0]!;
}

function addonMissing(): string | null {
  try {
    loadAddon();
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

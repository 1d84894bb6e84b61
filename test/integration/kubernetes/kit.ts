/** The recorded cluster, replayed, and what truly happened there. */
import { join } from 'node:path';

import { isObject } from '#core';

import { readLines, readRecording } from '../../kit/replay/recording.ts';
import { replay, type Replayed, type ReplayRun } from '../../kit/replay/replay.ts';

const FOLDER = join(import.meta.dirname, '../../fixtures/captures');

/** When the recording begins to act: scenarios are applied. */
export const BEGIN = 1795244822457;

/** One end of a container. */
export interface Truth {
  readonly pod: string;
  readonly container: string;
  readonly id: string;
  /** Where status told it; empty: nowhere. */
  readonly told: readonly { readonly reason: string; readonly exitCode: number }[];
}

export function truth(): Truth[] {
  return readLines(FOLDER, 'truth').flatMap((line) => {
    if (!isObject(line)) return [];
    const told = Array.isArray(line.status) ? line.status.filter(isObject) : [];
    return [
      {
        pod: String(line.pod),
        container: String(line.container),
        id: String(line.id),
        told: told.map(({ reason, exitCode }) => ({ reason: String(reason), exitCode: Number(exitCode) })),
      },
    ];
  });
}

export function replayed(options: Omit<ReplayRun, 'recording' | 'speed'> = {}): Promise<Replayed[]> {
  return replay({ recording: readRecording(FOLDER), speed: Infinity, ...options });
}

/** Seconds after the beginning. */
export function secondsOf({ time }: Replayed): number {
  return (Date.parse(time) - BEGIN) / 1000;
}

/** Events of one scenario: the pods whose names begin with it, short types. */
export function scenario(events: readonly Replayed[], name: string): Replayed[] {
  return events.filter(({ type, subject }) => type !== 'kubernetes.event' && subject.startsWith(`lab/${name}`));
}

export function shortTypes(events: readonly Replayed[]): string[] {
  return events.map(({ type }) => type.replace('kubernetes.', ''));
}

/** What every telling of the same facts has in common, whatever was late or closed. */
export function factsOf(events: readonly Replayed[]): string[] {
  return events
    .filter(({ type }) => !/event|recovered|probe-failed|pending|watch-gap/.test(type))
    .map(({ id }) => id)
    .sort();
}

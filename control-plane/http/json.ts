/** JSON of anything that the store has: integers beyond 2^53 become decimal text. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => (typeof part === 'bigint' ? part.toString() : part));
}

/** What steers a terminal although JSON may leave it raw: 8-bit controls, bidirectional marks, line separators. */
export const STEERING = /[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu;

/** JSON (or YAML that quotes such texts) that means the same, with escapes in the place of what steers. */
export function harmless(text: string): string {
  return text.replaceAll(STEERING, (found) =>
    Array.from({ length: found.length }, (_, at) => `\\u${found.charCodeAt(at).toString(16).padStart(4, '0')}`).join(
      '',
    ),
  );
}

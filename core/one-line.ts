/** Control characters, what turns the direction of text, line separators, and lone halves of characters. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]+/gu;

/** One line, without what a reader would not see, bounded. */
export function oneLine(text: string, maxCharacters: number): string {
  const seen = text
    .slice(0, 4 * maxCharacters)
    .replaceAll(UNSEEN, ' ')
    .trim();
  if (seen.length <= maxCharacters) return seen;
  return `${seen.slice(0, maxCharacters - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}

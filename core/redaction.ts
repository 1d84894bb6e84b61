/** Secrets in texts that leave a node: tokens, keys, passwords, addresses of people (spec leanvibe; design section 8). */
import { compilePattern } from './filter/pattern.ts';

export const REDACTED_TEXT = '[redacted]';

/** What stands before a secret that says itself what it is; only what follows is taken out. */
const NAME =
  '(?:(?:authorization|proxy-authorization)["\']?\\s*[:=]\\s*["\']?(?:bearer|basic|token)\\s+' +
  '|[\\w-]*(?:password|passwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential)[\\w-]*["\']?\\s*[:=]\\s*' +
  '|(?<=^|\\s)--?(?:password|token|secret|api-key)[= ])';
const NAMED = new RegExp(`(${NAME})([^\\s"',;&)}\\]]{4,})`, 'gi');
/** The same before a text in quotes, also in JSON inside of JSON. */
const NAMED_QUOTED = new RegExp(`(${NAME}(\\\\?["']))([^"'\\\\]{4,})`, 'gi');
/** `https://user:password@host`. */
const IN_ADDRESS = /(\b[a-z][a-z0-9+.-]*:\/\/[^/\s:@]*:)([^@\s/]{1,256})(?=@)/gi;

/** Secrets that are known by their form (their makers' documents). */
const FORMS: readonly RegExp[] = [
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?/g,
  /\b(?:AKIA|ASIA|AIDA|AROA)[A-Z0-9]{16}\b/g,
  /\b(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255}|glpat-[\w-]{20,})/g,
  /\bxox[abeoprs]-[A-Za-z0-9-]{10,}/g,
  /\bsk-(?:ant-|proj-|live-)?[A-Za-z0-9_-]{20,}/g,
  /\b(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,}/g,
  /\bAIza[\w-]{35}/g,
  /\bnpm_[A-Za-z0-9]{36}\b/g,
  /\bhvs\.[A-Za-z0-9_-]{20,}/g,
  /\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*/g,
];
const EMAIL = /\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+\b/g;
/** A quick look at what no pattern could match: most texts. */
const SUSPECT =
  /-----BEGIN|AKIA|ASIA|AIDA|AROA|gh[pousr]_|github_pat_|glpat-|xox[abeoprs]-|sk-|[srp]k_(?:live|test)_|AIza|npm_|hvs\.|eyJ|@|password|passwd|secret|token|key|credential|authorization/i;

export interface RedactionOptions {
  /** Further secrets: regular expressions, whose every match is taken out. */
  readonly patterns: readonly string[];
  readonly emails: boolean;
}

export type Redact = (text: string) => string;

/** Throws a FilterError for a pattern that is none. What is taken out cannot be had back. */
export function createRedact({ patterns, emails }: RedactionOptions): Redact {
  const own = patterns.map((pattern) => ({ pattern, matches: compilePattern(pattern) }));
  return (text) => {
    let left = text;
    if (SUSPECT.test(left)) {
      for (const form of FORMS) left = left.replaceAll(form, REDACTED_TEXT);
      left = left
        .replaceAll(IN_ADDRESS, `$1${REDACTED_TEXT}`)
        .replaceAll(NAMED_QUOTED, (all, name: string, _quote: string, value: string) => keepName(all, name, value))
        .replaceAll(NAMED, keepName);
      if (emails) left = left.replaceAll(EMAIL, REDACTED_TEXT);
    }
    for (const { matches } of own) if (matches(left)) left = words(left, matches);
    return left;
  };
}

/** A variable is no secret, and what was taken out stays as it is. */
function keepName(all: string, name: string, value: string): string {
  return /^\$|^\[redacted|^<|^\*+$/.test(value) ? all : `${name}${REDACTED_TEXT}`;
}

/** Patterns of one's own run in linear time and say whether, not where: the words that they match are taken out. */
function words(text: string, matches: (text: string) => boolean): string {
  const left = text.replaceAll(/[^\s"']+/g, (word) => (matches(word) ? REDACTED_TEXT : word));
  return left === text || matches(left) ? REDACTED_TEXT : left;
}

/** What is told of the problems of a hook file: no line that may hold a secret, and not endlessly many. */
import { ConfigError, type Issue, readDocuments, type ReadHooks, type Vocabulary } from '#core';
import { secretKeys } from '#plugins/schemas';

/** Of one file; beyond it each hook says only how many it has. */
const MAX_ISSUES = 200;

/** The reading with its problems as they may be shown, sent and logged. */
export function toldReading(read: ReadHooks, text: string, vocabulary: Vocabulary): ReadHooks {
  const issues = [...read.refused.flatMap((one) => one.issues), ...read.warnings];
  if (issues.length === 0) return read;
  const shown = concealer(text, vocabulary);
  const few = limit();
  return {
    ...read,
    refused: read.refused.map((one) => ({ ...one, issues: few(one.issues).map(shown) })),
    warnings: limit()(read.warnings).map(shown),
  };
}

/** The same for a file that was refused whole. */
export function toldIssues(issues: readonly Issue[], text: string, vocabulary: Vocabulary): Issue[] {
  return limit()(issues).map(concealer(text, vocabulary));
}

/** Lets so many issues pass in all; those left over of one list become one that counts them. */
function limit(): (issues: readonly Issue[]) => readonly Issue[] {
  let left = MAX_ISSUES;
  return (issues) => {
    const passed = issues.slice(0, left);
    left -= passed.length;
    const first = issues[passed.length];
    if (!first) return passed;
    const { excerpt: _, expected: __, ...place } = first;
    const rest = issues.length - passed.length;
    return [...passed, { ...place, path: '', message: `${rest} more problem${rest === 1 ? '' : 's'}` }];
  };
}

/** Takes the excerpts of lines that may hold a secret, also one under a misspelt key or of an action that nobody knows. */
function concealer(text: string, { actions }: Vocabulary): (issue: Issue) => Issue {
  const secrets = new Map([...actions].map(([type, schema]) => [type, secretKeys(schema)]));
  const keys = new Set([...secrets.values()].flat());
  const mayHoldSecrets = (type: unknown): boolean => typeof type !== 'string' || secrets.get(type)?.length !== 0;
  let hidden: ReadonlySet<number> | 'all';
  try {
    const lines = readDocuments(text, '').flatMap((document) =>
      document.linesOf((key, beside) => keys.has(key) || (key === 'config' && mayHoldSecrets(beside('type')))),
    );
    hidden = new Set(lines);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    // What is no YAML has no places that could be trusted.
    const words = [...keys, ...[...secrets].flatMap(([type, own]) => (own.length > 0 ? [type] : []))];
    hidden = words.some((word) => text.includes(word)) ? 'all' : new Set();
  }
  return (issue) => {
    if (issue.line === undefined || (hidden !== 'all' && !hidden.has(issue.line))) return issue;
    const { excerpt: _, ...rest } = issue;
    return rest;
  };
}

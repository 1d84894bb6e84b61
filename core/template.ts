/** Prompt templates as khook has them: `{{.Name}}` and nothing else of a template language. */

/** Every placeholder, without its braces and dot. */
export const PLACEHOLDERS = [
  'ResourceName',
  'EventTime',
  'Namespace',
  'EventMessage',
  'EventType',
  'Reason',
  'Message',
  'Timestamp',
] as const;
export type Placeholder = (typeof PLACEHOLDERS)[number];

const MAX_CHARACTERS = 10_000;
const PLACEHOLDER = /\{\{\s*\.(\w+)\s*\}\}/g;
/** What a template language could be told to do. */
const FORBIDDEN = /\{\{-?\s*(\/\*|(?:define|template|call|print\w*|urlquery)\b)/;

/** Why this template is not expanded but sent as it is; null: it is expanded. */
export function templateProblem(template: string): string | null {
  if (template.length > MAX_CHARACTERS) return `${template.length} characters, at most ${MAX_CHARACTERS}`;
  const forbidden = FORBIDDEN.exec(template)?.[1];
  if (forbidden !== undefined) return `{{${forbidden} … is not allowed`;
  const opened = template.split('{{').length - 1;
  const closed = template.split('}}').length - 1;
  return opened === closed ? null : `${opened} {{ and ${closed} }} do not match`;
}

/**
 * Puts the values in, in one pass: braces inside a value stay text, unknown placeholders stay as written. A template with
 * a problem comes back as it is.
 */
export function expandTemplate(template: string, values: Readonly<Record<Placeholder, string>>): string {
  if (templateProblem(template) !== null) return template;
  return template.replaceAll(PLACEHOLDER, (written, name: string) => (isPlaceholder(name) ? values[name] : written));
}

function isPlaceholder(name: string): name is Placeholder {
  return PLACEHOLDERS.some((known) => known === name);
}

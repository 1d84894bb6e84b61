/** The table of options in a plugin's README, made from its schema. */
import { durationText, isObject, type ObjectSchema } from '#core';

const MARKED = /(<!-- options -->\n)[\s\S]*?(<!-- \/options -->)/;

/** The README with the table of this schema between its markers; null when it has no markers. */
export function withOptionTable(readme: string, schema: ObjectSchema): string | null {
  if (!MARKED.test(readme)) return null;
  return readme.replace(MARKED, (_, open: string, close: string) => `${open}${optionTable(schema)}${close}`);
}

export function optionTable(schema: ObjectSchema): string {
  const rows = optionRows(schema, '').map((cells) => `| ${cells.join(' | ')} |`);
  return ['| option | type | default | meaning |', '| --- | --- | --- | --- |', ...rows, ''].join('\n');
}

/** Every option that has no description, by its path: `limits.cpuSeconds`. */
export function undocumented(schema: ObjectSchema): string[] {
  return optionRows(schema, '').flatMap(([name = '', , , meaning]) => (meaning === '' ? [name] : []));
}

function optionRows(schema: unknown, prefix: string): string[][] {
  const { properties, required } = isObject(schema) ? schema : {};
  return Object.entries(isObject(properties) ? properties : {}).flatMap(([key, part]) => {
    if (!isObject(part)) return [];
    const needed = Array.isArray(required) && required.includes(key) && part.default === undefined;
    const description = typeof part.description === 'string' ? part.description.replaceAll('|', '\\|') : '';
    const row = [`\`${prefix}${key}\``, typeOf(part), needed ? 'required' : defaultOf(part), description];
    return [row].concat(part['x-secret'] === true ? [] : optionRows(part, `${prefix}${key}.`));
  });
}

function typeOf(part: Record<string, unknown>): string {
  if (part['x-secret'] === true) return 'text, `{ env }`, `{ file }` or `{ secretRef }`';
  if ('x-duration' in part) return 'duration';
  if (Array.isArray(part.enum)) return part.enum.map((word) => `\`${String(word)}\``).join(', ');
  if (part.type === 'array') return isObject(part.items) ? `list of ${typeOf(part.items)}` : 'list';
  if (isObject(part.patternProperties)) {
    const [value] = Object.values(part.patternProperties);
    return isObject(value) ? `map to ${typeOf(value)}` : 'map';
  }
  return (
    { string: 'text', integer: 'whole number', number: 'number', boolean: 'yes or no' }[String(part.type)] ?? 'map'
  );
}

function defaultOf(part: Record<string, unknown>): string {
  if (part.default === undefined) return '';
  const text = 'x-duration' in part ? durationText(Number(part.default)) : JSON.stringify(part.default);
  return `\`${text}\``;
}

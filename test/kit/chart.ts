/** A chart as Helm would render it, without Helm: values merged, templates run, documents parsed. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { parse, parseAllDocuments, stringify } from 'yaml';

import { isObject } from '#core';

import { GoTemplates, isTrue, type Value } from './go-template.ts';

export type Json = Readonly<Record<string, unknown>>;

export interface RenderOptions {
  readonly values?: Json;
  readonly release?: string;
  readonly namespace?: string;
  /** `policy/v1` … of the cluster. */
  readonly apiVersions?: readonly string[];
  /** Certificate authority and pair, PEM, for charts that make one. */
  readonly certificates?: (hosts: readonly string[]) => {
    readonly ca: string;
    readonly cert: string;
    readonly key: string;
  };
  /** What is in the cluster, by kind. */
  readonly present?: Readonly<Record<string, readonly Json[]>>;
}

const NO_CERTIFICATES = () => ({ ca: 'ca', cert: 'cert', key: 'key' });

/** Every document, in the order of files. Throws what a template or a document has wrong. */
export function renderChart(folder: string, options: RenderOptions = {}): Json[] {
  return [...renderFiles(folder, options)]
    .filter(([name]) => name.endsWith('.yaml'))
    .flatMap(([name, text]) => documentsOf(name, text));
}

/** The text of each template, by its file. */
export function renderFiles(folder: string, options: RenderOptions = {}): Map<string, string> {
  const { values = {}, release = 'trotline', namespace = 'trotline', apiVersions = ['policy/v1'] } = options;
  const read = (path: string): string => readFileSync(join(folder, path), 'utf8');
  const chart = parse(read('Chart.yaml')) as Json;
  const templates = new GoTemplates(functions(options));
  const dot = {
    Values: merged(parse(read('values.yaml')) as Json, values),
    Chart: { Name: chart.name, Version: chart.version, AppVersion: chart.appVersion },
    Release: { Name: release, Namespace: namespace, Service: 'Helm', IsInstall: true },
    Capabilities: { APIVersions: { Has: (version: Value) => apiVersions.includes(String(version)) } },
    Files: { Get: (path: Value) => read(String(path)) },
  };
  const names = readdirSync(join(folder, 'templates')).toSorted();
  const parsed = names.map((name) => [name, templates.parse(read(join('templates', name)))] as const);
  const shown = parsed.filter(([name]) => !name.startsWith('_'));
  return new Map(shown.map(([name, nodes]) => [name, templates.execute(nodes, dot)]));
}

function documentsOf(name: string, text: string): Json[] {
  return parseAllDocuments(text).flatMap((document) => {
    if (document.errors.length > 0) throw new Error(`${name}: ${document.errors.map(String).join('; ')}\n${text}`);
    const value: unknown = document.toJS();
    return isObject(value) ? [value] : [];
  });
}

/** Maps are merged, everything else is replaced. */
function merged(base: Json, over: Json): Json {
  const entries = Object.entries(over).map(([key, value]) => {
    const before = base[key];
    return [key, isObject(before) && isObject(value) ? merged(before, value) : value];
  });
  return { ...base, ...Object.fromEntries(entries) };
}

/** Those of Sprig and Helm that the charts use (https://masterminds.github.io/sprig/). */
function functions({ certificates = NO_CERTIFICATES, present = {} }: RenderOptions) {
  const text = String;
  const lines = (value: Value, count: Value): string => text(value).replaceAll(/^/gm, ' '.repeat(Number(count)));
  let made: ReturnType<typeof certificates> | null = null;
  const pairOf = (hosts: readonly string[]) => (made ??= certificates(hosts));
  return {
    toYaml: (value: Value) => stringify(value, { lineWidth: 0, aliasDuplicateObjects: false }).trimEnd(),
    indent: (count: Value, value: Value) => lines(value, count),
    nindent: (count: Value, value: Value) => `\n${lines(value, count)}`,
    quote: (value: Value) => JSON.stringify(value === undefined || value === null ? '' : text(value)),
    default: (fallback: Value, value: Value) => (isTrue(value) ? value : fallback),
    printf: (format: Value, ...args: readonly Value[]) => {
      let at = 0;
      return text(format).replaceAll('%s', () => text(args[at++]));
    },
    trunc: (count: Value, value: Value) => text(value).slice(0, Number(count)),
    trimSuffix: (suffix: Value, value: Value) =>
      text(value).endsWith(text(suffix)) ? text(value).slice(0, -text(suffix).length) : value,
    sha256sum: (value: Value) => createHash('sha256').update(text(value)).digest('hex'),
    b64enc: (value: Value) => Buffer.from(text(value)).toString('base64'),
    contains: (part: Value, value: Value) => text(value).includes(text(part)),
    list: (...items: readonly Value[]) => items,
    append: (items: Value, item: Value) => [...(items as Value[]), item],
    uniq: (items: Value) => [...new Set(items as Value[])],
    first: (items: Value) => (items as Value[])[0],
    dict: (...pairs: readonly Value[]) =>
      Object.fromEntries(pairs.flatMap((key, at) => (at % 2 === 0 ? [[text(key), pairs[at + 1]]] : []))),
    merge: (into: Value, ...others: readonly Value[]) =>
      Object.assign({}, ...others.toReversed(), into as object) as Value,
    ternary: (yes: Value, no: Value, choice: Value) => (choice === true ? yes : no),
    int: Number,
    toString: text,
    gt: (a: Value, b: Value) => Number(a) > Number(b),
    eq: (a: Value, b: Value) => a === b,
    not: (value: Value) => !isTrue(value),
    and: (...values: readonly Value[]) => values.reduce((before, value) => (isTrue(before) ? value : before)),
    or: (...values: readonly Value[]) => values.reduce((before, value) => (isTrue(before) ? before : value)),
    lookup: (_version: Value, kind: Value, _namespace: Value, name: Value) => {
      const items = present[text(kind)] ?? [];
      if (name === '') return { items };
      return items.find(({ metadata }) => isObject(metadata) && metadata.name === name) ?? {};
    },
    genCA: () => ({ Cert: '' }),
    genSignedCert: (...args: readonly Value[]) => {
      const { cert, key, ca } = pairOf(args[2] as readonly string[]);
      Object.assign(args[4] as object, { Cert: ca });
      return { Cert: cert, Key: key };
    },
  };
}

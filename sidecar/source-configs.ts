/** What this node's sources are told: the sources file, set at deployment. */
import { checkConfig, ConfigError, didYouMean, type Issue, pointerKey, type SourceDefinition, Type } from '#core';

import { onlyDocument, readConfigFile } from './config-file.ts';

/** The file. A source that is left out has its defaults. */
export const SourcesFile = Type.Object(
  {
    version: Type.Literal(1, { description: 'Of this format.' }),
    sources: Type.Record(Type.String(), Type.Unknown(), {
      default: {},
      description: 'Type of a source: its options, or `false`: it is not started.',
    }),
  },
  { additionalProperties: false },
);

/** By type of source: its options, or false where it is not started. */
export type SourceConfigs = ReadonlyMap<string, unknown>;

/** Throws a ConfigError with every problem, each with its line. */
export async function readSourceConfigs(
  path: string,
  definitions: readonly SourceDefinition[],
): Promise<SourceConfigs> {
  return parseSourceConfigs(await readConfigFile(path), path, definitions);
}

/** As `readSourceConfigs`, of a text; `file` is how issues call it. */
export function parseSourceConfigs(
  text: string,
  file: string,
  definitions: readonly SourceDefinition[],
): SourceConfigs {
  const document = onlyDocument(text, file);
  const { value, issues } = checkConfig(SourcesFile, document.value);
  const configs = new Map(Object.entries(value?.sources ?? {}));
  const all = [...issues, ...[...configs].flatMap(([type, config]) => issuesOf(type, config, definitions))];
  if (all.length > 0)
    throw new ConfigError(
      file,
      all.map((issue) => document.place(issue)),
    );
  return configs;
}

function issuesOf(type: string, config: unknown, definitions: readonly SourceDefinition[]): Issue[] {
  const path = `/sources/${pointerKey(type)}`;
  const definition = definitions.find((each) => each.type === type);
  if (!definition) {
    const types = definitions.map((each) => each.type);
    const message = `unknown source ${JSON.stringify(type)}${didYouMean(type, types)}`;
    return [{ path, message, expected: types.join(', '), atKey: true }];
  }
  if (config === false) return [];
  return checkConfig(definition.config, config ?? {}).issues.map((issue) => within(path, issue));
}

function within(path: string, issue: Issue): Issue {
  return { ...issue, path: path + issue.path };
}

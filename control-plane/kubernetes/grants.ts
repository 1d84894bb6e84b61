/** What hooks of other namespaces may do beyond their own: the administrator's file (design section 8). */
import { readFile } from 'node:fs/promises';

import { AppError, checkConfig, ConfigError, errorText, type Infer, readDocuments, Type } from '#core';

const closed = { additionalProperties: false } as const;
const Pattern = Type.String({ minLength: 1, maxLength: 512, description: 'A name; `*` stands for any.' });

export const GrantsFile = Type.Object(
  {
    version: Type.Literal(1, { description: 'Of this format.' }),
    grants: Type.Array(
      Type.Object(
        {
          namespaces: Type.Array(Pattern, { minItems: 1, description: 'Whose hooks it is for; `*`: of all.' }),
          agents: Type.Array(Pattern, {
            default: [],
            description: 'Agents that they may call, `namespace/name`; `*/*`: all.',
          }),
          sources: Type.Array(Pattern, { default: [], description: 'Sources that they may hear, on every node.' }),
          actions: Type.Array(Pattern, { default: [], description: 'Actions that they may use.' }),
        },
        closed,
      ),
      { default: [], description: 'Each adds to what hooks may do.' },
    ),
  },
  closed,
);

export interface Grants {
  allows(what: 'agents' | 'sources' | 'actions', namespace: string, name: string): boolean;
}

export const NO_GRANTS: Grants = { allows: () => false };

export function grantsOf({ grants }: Pick<Infer<typeof GrantsFile>, 'grants'>): Grants {
  return {
    allows: (what, namespace, name) =>
      grants.some(
        (grant) => grant.namespaces.some((own) => fits(own, namespace)) && grant[what].some((own) => fits(own, name)),
      ),
  };
}

/** `*` stands for any name, but never for a `/`. */
function fits(pattern: string, name: string): boolean {
  const parts = pattern.split('/');
  const names = name.split('/');
  return parts.length === names.length && parts.every((part, index) => part === '*' || part === names[index]);
}

/** Throws a ConfigError with every problem, each with its line. */
export async function readGrants(path: string): Promise<Grants> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new AppError('CONFIG_INVALID', `grants file ${path} cannot be read: ${errorText(cause)}`, { cause });
  });
  return parseGrants(text, path);
}

/** As `readGrants`, from a text. */
export function parseGrants(text: string, path: string): Grants {
  const [document, ...more] = readDocuments(text, path);
  if (!document || more.length > 0)
    throw new AppError('CONFIG_INVALID', `${path} holds ${document ? more.length + 1 : 0} documents, expected one`);
  const { value, issues } = checkConfig(GrantsFile, document.value);
  if (value === null)
    throw new ConfigError(
      path,
      issues.map((issue) => document.place(issue)),
    );
  return grantsOf(value);
}

/** `trotline fields`: the names that conditions may use. */
import { AppError, FIELDS, nearest } from '#core';

import { Command, type Context, examples, type OutputOption, outputOption } from './command.ts';
import { type Listing, renderList } from './output.ts';

interface FieldRow {
  readonly field: string;
  readonly type: string;
  readonly setBy: string;
}

export function fieldsCommand(context: Context): Command {
  const fields = new Command('fields').argument('[source]', 'only what events of this source have');
  fields.description('the fields that conditions may use').addOption(outputOption());
  examples(fields, 'trotline fields netlink', 'trotline fields -o json');
  fields.action((source: string | undefined, { output }: OutputOption) => {
    context.terminal.out(renderList(FIELD_LIST, fieldRows(source), output, context.terminal));
  });
  return fields;
}

/** Fields that no source sets are left out of a source's list. */
function fieldRows(source: string | undefined): FieldRow[] {
  const sources: string[] = [...new Set([...FIELDS.values()].map(({ setBy }) => setBy))].filter(
    (name) => name !== 'any' && name !== 'none',
  );
  if (source !== undefined && !sources.includes(source)) {
    const near = nearest(source, sources);
    throw new AppError(
      'USAGE',
      `unknown source "${source}"${near === undefined ? '' : `; did you mean "${near}"?`}; expected ${sources.join(', ')}`,
    );
  }
  return [...FIELDS.values()]
    .filter(({ setBy }) => source === undefined || setBy === 'any' || setBy === source)
    .map(({ name, type, setBy }) => ({ field: name, type, setBy }));
}

const SETTERS: Readonly<Record<string, string>> = { any: 'every event', none: 'no source: always absent' };

const FIELD_LIST: Listing<FieldRow> = {
  none: 'no fields',
  columns: [
    { title: 'FIELD', value: ({ field }) => field },
    { title: 'TYPE', value: ({ type }) => type },
    { title: 'SET BY', value: ({ setBy }) => SETTERS[setBy] ?? setBy },
  ],
  flat: (row) => ({ ...row }),
};

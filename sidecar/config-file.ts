import { readFile } from 'node:fs/promises';

import { ConfigError, errorText, readDocuments, type SourceDocument } from '#core';

/** A file that was named must be there: without it the node would do other than it was told. Throws a ConfigError. */
export async function readConfigFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new ConfigError(path, [{ path: '', message: `cannot be read: ${errorText(error)}`, file: path }]);
  }
}

/** The one document of a configuration file's text; `file` is how issues call it. Throws a ConfigError. */
export function onlyDocument(text: string, file: string): SourceDocument {
  const [document, second] = readDocuments(text, file);
  if (!document) throw new ConfigError(file, [{ path: '', message: 'is empty', expected: '`version: 1`', file }]);
  if (second) throw new ConfigError(file, [second.place({ path: '', message: 'is a second document' })]);
  return document;
}

/**
 * Values that are only known when a command runs stand in texts as characters for private use, which
 * are taken out of what comes in. So every text is a plain string, and a part that cannot be seen through stays visible in it.
 */

/** Anything at all: an unset variable, what another program prints. */
export const HOLE = '\uE000';
/** Some plain word without a slash: a date, a number, a file's name. */
export const NAME = '\uE001';
/** Something that must not leave: the content of a key, a token, the environment. */
export const SECRET = '\uE002';
/** What came over the network. */
export const DOWNLOAD = '\uE003';

/** All variables of the environment: secret when it is sent, no surprise when it is shown. */
export const ENVIRONMENT = `${SECRET}environment`;
/** All of a database: secret when it is sent. */
export const DUMP = `${SECRET}dump`;
/** A variable that is called as secrets are: sent as a credential all day. */
export const VARIABLE = `${SECRET}variable`;
/** All processes of the machine. */
export const PROCESSES = `${HOLE}processes`;

const MARKS = /[\uE000-\uE003]/g;

/** A text from outside, which must not bring marks of its own. */
export function unmarked(text: string): string {
  return text.replaceAll(MARKS, ' ');
}

/** Whether what is there can be anything. */
export function isOpaque(text: string): boolean {
  return text.includes(HOLE) || text.includes(DOWNLOAD) || text.includes(SECRET);
}

/** Whether a text shows keys, tokens or passwords to whoever reads it. */
export function showsSecrets(text: string): boolean {
  return text.replaceAll(ENVIRONMENT, '').replaceAll(DUMP, '').includes(SECRET);
}

export function marksOf(text: string): string {
  let marks = '';
  for (const mark of [HOLE, SECRET, DOWNLOAD]) if (text.includes(mark)) marks += mark;
  return marks;
}

/** For people: marks become words. */
export function shown(text: string): string {
  const plain = text
    .replaceAll(HOLE, '…')
    .replaceAll(NAME, '*')
    .replaceAll(SECRET, '‹secret›')
    .replaceAll(DOWNLOAD, '‹download›')
    .replaceAll(/\s+/g, ' ');
  return plain.length > 120 ? `${plain.slice(0, 117)}...` : plain;
}

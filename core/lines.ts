/** Lines of a stream of text, as soon as each is there. By LF alone: other line separators may stand inside JSON text. */
export async function* linesOf(input: NodeJS.ReadableStream): AsyncGenerator<string> {
  input.setEncoding('utf8');
  let rest: string[] = [];
  for await (const chunk of input) {
    const [first = '', ...others] = String(chunk).split('\n');
    rest.push(first);
    for (const other of others) {
      yield rest.join('');
      rest = [other];
    }
  }
  const last = rest.join('');
  if (last !== '') yield last;
}

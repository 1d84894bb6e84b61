import { AppError, isObject } from '#core';

/** Of one line: etcd holds no object above 1.5 MiB. */
const MAX_LINE_BYTES = 16 * 1024 * 1024;
const NEWLINE = 0x0a;

/** Each line of a stream as the object it is; throws for one that is none, or that never ends. */
export async function* jsonLines(stream: AsyncIterable<Buffer>): AsyncGenerator<Readonly<Record<string, unknown>>> {
  let rest: Buffer[] = [];
  let held = 0;
  for await (const chunk of stream) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      rest.push(chunk.subarray(start, end));
      yield objectOf(Buffer.concat(rest).toString('utf8'));
      rest = [];
      held = 0;
      start = end + 1;
    }
    if (start === chunk.length) continue;
    rest.push(chunk.subarray(start));
    held += chunk.length - start;
    if (held > MAX_LINE_BYTES) throw new AppError('PEER_UNAVAILABLE', `a line is longer than ${MAX_LINE_BYTES} bytes`);
  }
}

function objectOf(line: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new AppError('PEER_UNAVAILABLE', `a watch told no JSON: ${JSON.stringify(line.slice(0, 80))}`, { cause });
  }
  if (isObject(value)) return value;
  throw new AppError('PEER_UNAVAILABLE', `a watch told no object: ${JSON.stringify(line.slice(0, 80))}`);
}

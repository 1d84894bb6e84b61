/** A receiving end for OTLP over HTTP with protobuf bodies: keeps who sent which span. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

export interface ReceivedSpan {
  readonly service: string;
  readonly traceId: string;
  readonly spanId: string;
  /** '' at the root of a trace. */
  readonly parentId: string;
  readonly name: string;
}

export class OtlpReceiver implements AsyncDisposable {
  readonly spans: ReceivedSpan[] = [];
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        this.spans.push(...spansOf(Buffer.concat(chunks)));
        response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
      });
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Field numbers of opentelemetry.proto.collector.trace.v1 and what it contains. */
function spansOf(request: Uint8Array): ReceivedSpan[] {
  return parts(request, 1).flatMap((resourceSpans) => {
    const service = serviceOf(parts(resourceSpans, 1)[0] ?? new Uint8Array());
    return parts(resourceSpans, 2).flatMap((scopeSpans) =>
      parts(scopeSpans, 2).map((span) => ({
        service,
        traceId: hex(parts(span, 1)[0]),
        spanId: hex(parts(span, 2)[0]),
        parentId: hex(parts(span, 4)[0]),
        name: Buffer.from(parts(span, 5)[0] ?? []).toString('utf8'),
      })),
    );
  });
}

function serviceOf(resource: Uint8Array): string {
  for (const attribute of parts(resource, 1)) {
    if (Buffer.from(parts(attribute, 1)[0] ?? []).toString('utf8') !== 'service.name') continue;
    return Buffer.from(parts(parts(attribute, 2)[0] ?? new Uint8Array(), 1)[0] ?? []).toString('utf8');
  }
  return '';
}

/** The length-delimited values of one field. */
function parts(message: Uint8Array, field: number): Uint8Array[] {
  const reader = new BinaryReader(message);
  const found: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (number === field && type === WireType.LengthDelimited) found.push(reader.bytes());
    else reader.skip(type);
  }
  return found;
}

function hex(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? []).toString('hex');
}

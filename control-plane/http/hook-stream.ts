/** `/hooks/stream`: the live stream of agent events, over WebSocket. */
import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';

import type { FastifyInstance } from 'fastify';

import { AppError, errorText } from '#core';

import { filterIn } from '../stream/filter.ts';
import { type AccessOptions, accessOf } from './access.ts';
import type { ApiParts } from './api.ts';
import { type ErrorBody, errorAnswer, refusalBody } from './errors.ts';

const PATH = '/hooks/stream';

/** Other protocols are not ours: such a request goes on as it would without. */
export function isWebSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket';
}

/** Who may list hooks may read it. */
export function addHookStream(app: FastifyInstance, { sockets, log }: ApiParts, access: AccessOptions): void {
  const accept = async (request: IncomingMessage, connection: Duplex, head: Buffer): Promise<void> => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://control-plane');
    const { method = '', headers } = request;
    const answer = await accessOf({ method, headers, params: {}, routeOptions: { url: pathname } }, access);
    if (answer.status !== 200) return refuse(connection, answer.status, refusalBody(answer.message));
    if (pathname !== PATH) throw new AppError('NOT_FOUND', `there is no WebSocket at ${pathname}, expected ${PATH}`);
    return sockets.accept(request, connection, head, filterIn(searchParams));
  };

  app.server.on('upgrade', (request, connection: Duplex, head) => {
    const failed = (error: unknown): void => log.debug({ error: errorText(error) }, 'stream client failed');
    connection.on('error', failed);
    accept(request, connection, head).catch((error: unknown) => {
      const { status, body } = errorAnswer(error, log);
      refuse(connection, status, body);
    });
  });
  app.get(PATH, (_request, reply) =>
    reply
      .code(426)
      .header('upgrade', 'websocket')
      .send({ error: { code: 'USAGE', message: 'expected a WebSocket' } }),
  );
}

function refuse(connection: Duplex, status: number, body: ErrorBody): void {
  if (!connection.writable) return;
  const text = JSON.stringify(body);
  const own = status === 401 ? ['www-authenticate: Bearer'] : [];
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(text)}`,
    'connection: close',
    ...own,
  ];
  connection.end(`${head.join('\r\n')}\r\n\r\n${text}`);
}

import { mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { credentials, status } from '@grpc/grpc-js';
import { afterEach, beforeEach, expect, test } from 'vitest';

import type { Component } from '#core';
import { HealthCheckResponse_ServingStatus as Serving, HealthClient } from '#proto';

import { createGrpcServer } from '../../../control-plane/server.ts';
import { eventually } from '../../kit/eventually.ts';
import { quiet } from './kit/reports.ts';

let folder: string;
let path: string;
let servers: Component[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'server-'));
  path = join(folder, 'control-plane.sock');
  servers = [];
});

afterEach(async () => {
  for (const server of servers) await server.stop?.();
  await rm(folder, { recursive: true });
});

async function start(address = `unix:${path}`): Promise<Component> {
  const server = createGrpcServer({ address, services: [], log: quiet });
  servers.push(server);
  await server.start?.(new AbortController().signal);
  return server;
}

function check(service: string): Promise<number> {
  const client = new HealthClient(`unix:${path}`, credentials.createInsecure());
  return new Promise((resolve, reject) => {
    client.check({ service }, (error, answer) => {
      client.close();
      if (error) reject(error);
      else resolve(answer.status);
    });
  });
}

test("the socket is its owner's alone, nothing else is left in the folder, and it goes when the server stops", async () => {
  const server = await start();
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await readdir(folder)).toEqual(['control-plane.sock']);
  await server.stop?.();
  expect(await readdir(folder)).toEqual([]);
});

test('any other address is refused', async () => {
  await expect(start('127.0.0.1:0')).rejects.toMatchObject({
    code: 'POLICY_REFUSED',
    message: expect.stringContaining('needs TLS and a credential'),
  });
});

test('the socket of a running server is not taken, the one of a dead process is', async () => {
  await start();
  await expect(start()).rejects.toMatchObject({ code: 'STATE_ILLEGAL', message: expect.stringContaining(path) });
  expect(await check('')).toBe(Serving.SERVING);

  const dead = join(folder, 'dead.sock');
  const listener = createServer();
  await new Promise<void>((resolve) => void listener.listen(dead, resolve));
  const moved = join(folder, 'left.sock');
  await rename(dead, moved);
  await new Promise((resolve) => void listener.close(resolve));
  await start(`unix:${moved}`);
  expect((await stat(moved)).mode & 0o777).toBe(0o600);
});

test.each([
  ['a file', async () => writeFile(path, 'precious'), () => `unix:${path}`, 'is no socket'],
  ['a relative path', async () => undefined, () => 'unix:here.sock', 'is not absolute'],
  ['a path too long', async () => undefined, () => `unix:/${'x'.repeat(120)}`, 'longer than'],
])('%s is refused as a socket', async (_, prepare, address, message) => {
  await prepare();
  await expect(start(address())).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining(message),
  });
});

test('health tells whether the server serves, also to who watches', async () => {
  const server = await start();
  expect(await check('')).toBe(Serving.SERVING);
  await expect(check('nothing')).rejects.toMatchObject({ code: status.NOT_FOUND });

  const client = new HealthClient(`unix:${path}`, credentials.createInsecure());
  const heard: number[] = [];
  const watch = client.watch({ service: '' });
  watch.on('data', (answer: { status: number }) => heard.push(answer.status));
  watch.on('error', () => undefined);
  await eventually(() => heard.length === 1);
  await server.drain?.(new AbortController().signal);
  await eventually(() => heard.length === 2);
  expect(heard).toEqual([Serving.SERVING, Serving.NOT_SERVING]);
  watch.cancel();
  client.close();
});

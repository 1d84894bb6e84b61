/** A real registry (Debian's docker-registry) on loopback, and images that the test makes and pushes itself. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';

import { pack } from 'tar-stream';

import { debianProgram } from '../../kit/debian.ts';

export const program = debianProgram({
  name: 'docker-registry',
  package: 'docker-registry',
  path: 'usr/bin/docker-registry',
});

export interface RegistryParts {
  /** More lines of its configuration, as YAML. */
  readonly config?: string;
  readonly http?: string;
}

export class TestRegistry implements AsyncDisposable {
  /** `127.0.0.1:40123`. */
  readonly host: string;
  readonly #process: ChildProcess;
  readonly #folder: string;

  constructor(host: string, child: ChildProcess, folder: string) {
    this.host = host;
    this.#process = child;
    this.#folder = folder;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.kill('SIGKILL')) await once(this.#process, 'close');
    await rm(this.#folder, { recursive: true });
  }
}

/** Resolves when it listens. */
export async function startRegistry({ config = '', http = '' }: RegistryParts = {}): Promise<TestRegistry> {
  const folder = await mkdtemp(join(tmpdir(), 'trotline-registry-'));
  const file = join(folder, 'config.yml');
  const text = `version: 0.1
log: { level: info }
storage: { filesystem: { rootdirectory: ${folder}/data }, delete: { enabled: true } }
http:
  addr: 127.0.0.1:0
${http}
${config}
`;
  await writeFile(file, text);
  const child = spawn(program ?? '', ['serve', file], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  const host = await new Promise<string>((resolve, reject) => {
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      const [, found] = /listening on ([\d.]+:\d+)/.exec(said) ?? [];
      if (found !== undefined) resolve(found);
    });
    child.once('close', () => reject(new Error(`the registry does not start: ${said}`)));
  });
  return new TestRegistry(host, child, folder);
}

export interface TestEntry {
  readonly name: string;
  readonly type?: 'file' | 'directory' | 'symlink' | 'link' | 'character-device' | 'block-device' | 'fifo';
  readonly mode?: number;
  readonly content?: string | Buffer;
  readonly linkname?: string;
}

export type Compression = 'none' | 'gzip' | 'zstd';

/** A layer's bytes. */
export async function tarOf(entries: readonly TestEntry[]): Promise<Buffer> {
  const tar = pack();
  for (const { name, type = 'file', mode = type === 'directory' ? 0o755 : 0o644, content = '', linkname } of entries) {
    tar.entry({ name, type, mode, ...(linkname === undefined ? {} : { linkname }) }, content);
  }
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks);
}

export interface Blob {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly bytes: Buffer;
  readonly annotations?: Readonly<Record<string, string>>;
}

export function blobOf(bytes: Buffer, mediaType: string): Blob {
  return { mediaType, digest: digestOf(bytes), size: bytes.length, bytes };
}

export async function layerOf(entries: readonly TestEntry[], compression: Compression = 'gzip'): Promise<Blob> {
  const tar = await tarOf(entries);
  const type = 'application/vnd.oci.image.layer.v1.tar';
  if (compression === 'none') return blobOf(tar, type);
  return blobOf(compression === 'gzip' ? gzipSync(tar) : zstdCompressSync(tar), `${type}+${compression}`);
}

export function digestOf(bytes: Buffer | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

export interface Pusher {
  readonly host: string;
  readonly scheme?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

async function call(
  { host, scheme = 'http', headers = {} }: Pusher,
  path: string,
  init: RequestInit,
): Promise<Response> {
  const url = path.startsWith('http') ? path : `${scheme}://${host}${path}`;
  const response = await fetch(url, { ...init, headers: { ...headers, ...(init.headers as Record<string, string>) } });
  if (!response.ok) throw new Error(`${init.method} ${url} answered ${response.status}: ${await response.text()}`);
  await response.arrayBuffer();
  return response;
}

export async function pushBlob(to: Pusher, repository: string, blob: Blob): Promise<void> {
  const started = await call(to, `/v2/${repository}/blobs/uploads/`, { method: 'POST' });
  const location = started.headers.get('location') ?? '';
  const url = `${location}${location.includes('?') ? '&' : '?'}digest=${encodeURIComponent(blob.digest)}`;
  const headers = { 'content-type': 'application/octet-stream' };
  await call(to, url, { method: 'PUT', body: new Uint8Array(blob.bytes), headers });
}

export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json';

export async function pushManifest(
  to: Pusher,
  repository: string,
  { tag, mediaType, body }: { tag: string | null; mediaType: string; body: object },
): Promise<string> {
  const text = JSON.stringify(body);
  const digest = digestOf(text);
  const headers = { 'content-type': mediaType };
  await call(to, `/v2/${repository}/manifests/${tag ?? digest}`, { method: 'PUT', body: text, headers });
  return digest;
}

export interface PushedImage {
  readonly tag?: string | null;
  readonly architecture?: string;
  readonly config?: Blob;
  readonly docker?: boolean;
}

/** Pushes an image of these layers; resolves with its digest. */
export async function pushImage(
  to: Pusher,
  repository: string,
  layers: readonly Blob[],
  { tag = 'v1', architecture = ARCHITECTURE, config, docker = false }: PushedImage = {},
): Promise<string> {
  const own =
    config ??
    blobOf(
      Buffer.from(JSON.stringify({ os: 'linux', architecture, rootfs: { type: 'layers', diff_ids: [] } })),
      docker ? 'application/vnd.docker.container.image.v1+json' : OCI_CONFIG,
    );
  for (const blob of [own, ...layers]) await pushBlob(to, repository, blob);
  const mediaType = docker ? 'application/vnd.docker.distribution.manifest.v2+json' : OCI_MANIFEST;
  const body = {
    schemaVersion: 2,
    mediaType,
    config: descriptorOf(own),
    layers: layers.map((layer) =>
      docker
        ? { ...descriptorOf(layer), mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip' }
        : descriptorOf(layer),
    ),
  };
  return pushManifest(to, repository, { tag, mediaType, body });
}

export const ARCHITECTURE = process.arch === 'x64' ? 'amd64' : process.arch;

function descriptorOf({ mediaType, digest, size, annotations }: Blob): Omit<Blob, 'bytes'> {
  return { mediaType, digest, size, ...(annotations === undefined ? {} : { annotations }) };
}

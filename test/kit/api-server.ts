/** A real kube-apiserver on a real etcd, on loopback, for one file of tests. */
import { execFileSync, type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  accessSync,
  constants,
  createWriteStream,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import https from 'node:https';
import { createServer, type AddressInfo } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { generateKeyPairSync } from 'node:crypto';

import { isObject } from '#core';

import type { Access } from '../../plugins/sources/kubernetes/api/access.ts';
import { eventually } from './eventually.ts';

type Json = Readonly<Record<string, unknown>>;

const TOKEN = 'admintoken';
const SIBLING = resolve(import.meta.dirname, '../../../shared/envtest');

/** Folder with `etcd` and `kube-apiserver`: as told, beside the project, on PATH, unpacked before; null: there is none. */
export function apiServerFolder(): string | null {
  const told = process.env.KUBEBUILDER_ASSETS;
  if (told !== undefined && holdsBoth(told)) return told;
  if (existsSync(join(SIBLING, 'unpack.sh'))) {
    const folder = execFileSync(join(SIBLING, 'unpack.sh'), { encoding: 'utf8' }).trim();
    if (holdsBoth(folder)) return folder;
  }
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'trotline', 'envtest');
  return [...(process.env.PATH ?? '').split(delimiter), cache].find(holdsBoth) ?? null;
}

function holdsBoth(folder: string): boolean {
  try {
    for (const name of ['etcd', 'kube-apiserver']) accessSync(join(folder, name), constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Why the tests that need one do not run; null: they do. With `CI=true` a missing one fails instead. */
export function noApiServer(): string | null {
  if (apiServerFolder() !== null) return null;
  const why = 'no kube-apiserver and etcd: set KUBEBUILDER_ASSETS to a folder that holds both (envtest)';
  if (process.env.CI === 'true') throw new Error(why);
  process.stderr.write(`skipped: ${why}\n`);
  return why;
}

/** What `kube-apiserver` is started with, beside where and on what. */
export interface ApiServerOptions {
  readonly flags?: readonly string[];
  /** Every request is noted, for `audited`. */
  readonly audit?: boolean;
}

/** A request as the API server noted it. */
export interface Audited {
  readonly user: string;
  readonly verb: string;
  /** `pods`, `hooks/status`; '' for what is no resource. */
  readonly resource: string;
  readonly status: number;
  readonly uri: string;
}

interface AuditLine {
  readonly user: { readonly username: string };
  readonly verb: string;
  readonly requestURI: string;
  readonly objectRef?: { readonly resource?: string; readonly subresource?: string };
  readonly responseStatus?: { readonly code?: number };
}

/** When a request is received, and when it is answered, which for a watch is its end. */
const AUDIT_POLICY = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['ResponseStarted'],
  rules: [{ level: 'Metadata' }],
};

export class ApiServer {
  readonly folder = mkdtempSync(join(tmpdir(), 'trotline-api-'));
  readonly #programs: string;
  readonly #flags: string[];
  #etcd: ChildProcess | null = null;
  #server: ChildProcess | null = null;
  #etcdPorts: readonly [number, number] = [0, 0];
  #port = 0;

  private constructor(programs: string, { flags = [], audit = false }: ApiServerOptions) {
    this.#programs = programs;
    this.#flags = [...flags];
    if (!audit) return;
    const policy = join(this.folder, 'audit.yaml');
    writeFileSync(policy, JSON.stringify(AUDIT_POLICY));
    this.#flags.push(`--audit-policy-file=${policy}`, `--audit-log-path=${join(this.folder, 'audit.log')}`);
  }

  /** Resolves when it is ready, some five seconds later. */
  static async start(options: ApiServerOptions = {}): Promise<ApiServer> {
    const programs = apiServerFolder();
    if (programs === null) throw new Error('no kube-apiserver');
    const server = new ApiServer(programs, options);
    await server.#begin();
    return server;
  }

  get url(): string {
    return `https://127.0.0.1:${this.#port}`;
  }

  /** The certificate that it made itself. */
  get ca(): string {
    return readFileSync(join(this.folder, 'certs', 'apiserver.crt'), 'utf8');
  }

  access(token = TOKEN): Access {
    const none = { cert: undefined, key: undefined, servername: undefined };
    return { server: this.url, ca: this.ca, ...none, insecure: false, token: async () => token };
  }

  /** Writes a kubeconfig of the administrator, or of whoever has this token, and returns its path. */
  kubeconfig(token = TOKEN): string {
    const path = join(this.folder, `kubeconfig-${token.slice(-8)}`);
    const ca = Buffer.from(this.ca).toString('base64');
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'test',
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
      clusters: [{ name: 'test', cluster: { server: this.url, 'certificate-authority-data': ca } }],
      users: [{ name: 'test', user: { token } }],
    };
    writeFileSync(path, JSON.stringify(config), { mode: 0o600 });
    return path;
  }

  /** One request as the administrator; throws where the answer is none of 2xx. */
  async request(method: string, path: string, body?: Json, type = 'application/json'): Promise<Json> {
    const { status, answer } = await this.ask(method, path, body, type);
    if (status < 200 || status > 299)
      throw new Error(`${method} ${path} answered ${status}: ${JSON.stringify(answer)}`);
    return answer;
  }

  /** As `request`, whatever the answer. */
  async ask(
    method: string,
    path: string,
    body?: Json,
    type = 'application/json',
  ): Promise<{ status: number; answer: Json }> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = { authorization: `Bearer ${TOKEN}`, ...(text === undefined ? {} : { 'content-type': type }) };
    const request = https.request(`${this.url}${path}`, { method, headers, rejectUnauthorized: false, agent: false });
    request.end(text);
    const [response] = (await once(request, 'response')) as [NodeJS.ReadableStream & { statusCode: number }];
    let all = '';
    for await (const part of response) all += String(part);
    const answer: unknown = all.startsWith('{') ? JSON.parse(all) : { text: all };
    return { status: response.statusCode, answer: isObject(answer) ? answer : {} };
  }

  /** A merge patch. */
  patch(path: string, body: Json): Promise<Json> {
    return this.request('PATCH', path, body, 'application/merge-patch+json');
  }

  /**
   * Null; or why this one can hold no custom resources: a kube-apiserver 1.20 that was built by Go 1.18 or newer ends when one
   * is created (its reflect2 is older than that Go), and is started again here.
   */
  async customResourcesRefused(): Promise<string | null> {
    const group = 'probe.trotline.dev';
    const schema = { openAPIV3Schema: { type: 'object' } };
    await this.request('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
      metadata: { name: `probes.${group}` },
      spec: {
        group,
        scope: 'Namespaced',
        names: { kind: 'Probe', listKind: 'ProbeList', plural: 'probes', singular: 'probe' },
        versions: [{ name: 'v1', served: true, storage: true, schema }],
      },
    });
    const path = `/apis/${group}/v1/namespaces/default/probes`;
    await eventually(async () => (await this.ask('GET', path)).status === 200, { timeoutMs: 20_000 });
    try {
      await this.request('POST', path, { apiVersion: `${group}/v1`, kind: 'Probe', metadata: { name: 'probe' } });
      return null;
    } catch {
      await this.restart();
      return 'this kube-apiserver ends when a custom resource is created: set KUBEBUILDER_ASSETS to the folder of another';
    }
  }

  /** The API server alone is killed, and started again on the same port; what it had stored is there. */
  async restart(): Promise<void> {
    await this.killServer();
    await this.startServer();
  }

  async killServer(): Promise<void> {
    await end(this.#server);
    this.#server = null;
  }

  async startServer(): Promise<void> {
    this.#server = this.#spawn('kube-apiserver', [
      `--etcd-servers=http://127.0.0.1:${this.#etcdPorts[0]}`,
      `--cert-dir=${join(this.folder, 'certs')}`,
      `--secure-port=${this.#port}`,
      '--bind-address=127.0.0.1',
      '--insecure-port=0',
      '--service-account-issuer=https://kubernetes.default.svc',
      `--service-account-key-file=${join(this.folder, 'sa.key')}`,
      `--service-account-signing-key-file=${join(this.folder, 'sa.key')}`,
      '--service-cluster-ip-range=10.96.0.0/16',
      '--authorization-mode=RBAC',
      `--token-auth-file=${join(this.folder, 'tokens.csv')}`,
      '--disable-admission-plugins=ServiceAccount',
      ...this.#flags,
    ]);
    const ended = once(this.#server, 'exit').then(([code]: unknown[]) => {
      throw new Error(`kube-apiserver ended (${String(code)}): ${this.log('kube-apiserver').slice(-2000)}`);
    });
    const ready = eventually(async () => (await this.ask('GET', '/readyz')).status === 200, {
      timeoutMs: 60_000,
      intervalMs: 100,
    });
    ended.catch(() => undefined);
    await Promise.race([ready, ended]);
  }

  /** It stands still, and answers nobody; its connections stay. */
  pause(): void {
    this.#server?.kill('SIGSTOP');
  }

  resume(): void {
    this.#server?.kill('SIGCONT');
  }

  log(program: 'etcd' | 'kube-apiserver'): string {
    return readFileSync(join(this.folder, `${program}.log`), 'utf8');
  }

  /** Requests by now: each when it was received, status 0, and when it was answered. */
  audited(): Audited[] {
    const lines = readFileSync(join(this.folder, 'audit.log'), 'utf8').split('\n').slice(0, -1);
    return lines.map((line) => {
      const { user, verb, objectRef, responseStatus, requestURI } = JSON.parse(line) as AuditLine;
      const { resource = '', subresource } = objectRef ?? {};
      return {
        user: user.username,
        verb,
        resource: subresource === undefined ? resource : `${resource}/${subresource}`,
        status: responseStatus?.code ?? 0,
        uri: requestURI,
      };
    });
  }

  async stop(): Promise<void> {
    await this.killServer();
    await end(this.#etcd);
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #begin(): Promise<void> {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    writeFileSync(join(this.folder, 'sa.key'), privateKey.export({ type: 'pkcs1', format: 'pem' }), { mode: 0o600 });
    writeFileSync(join(this.folder, 'tokens.csv'), `${TOKEN},admin,admin,system:masters\n`, { mode: 0o600 });
    const [client, peer, secure] = await Promise.all([freePort(), freePort(), freePort()]);
    this.#etcdPorts = [client, peer];
    this.#port = secure;
    this.#etcd = this.#spawn('etcd', [
      `--data-dir=${join(this.folder, 'etcd')}`,
      '--unsafe-no-fsync',
      `--listen-client-urls=http://127.0.0.1:${client}`,
      `--advertise-client-urls=http://127.0.0.1:${client}`,
      `--listen-peer-urls=http://127.0.0.1:${peer}`,
    ]);
    await this.startServer();
  }

  /** Ends with this process, however that ends. */
  #spawn(program: string, args: readonly string[]): ChildProcess {
    const log = createWriteStream(join(this.folder, `${program}.log`), { flags: 'a' });
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', join(this.#programs, program), ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.pipe(log);
    child.stderr.pipe(log);
    return child;
  }
}

async function end(child: ChildProcess | null): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** The control plane's way to the API server: credentials by the library, single requests as plain JSON. */
import https, { type RequestOptions } from 'node:https';

import type { KubeConfig } from '@kubernetes/client-node';

import { AppError, isObject } from '#core';

export type Json = Readonly<Record<string, unknown>>;

export interface KubernetesApi {
  readonly config: KubeConfig;
  /** Throws an ApiError where the answer is none of 2xx. */
  request(method: string, path: string, body?: Json, contentType?: string, signal?: AbortSignal): Promise<Json>;
}

/** The API server refused; `status` is HTTP's. */
export class ApiError extends AppError {
  readonly status: number;

  constructor(status: number, message: string) {
    super(status === 404 ? 'NOT_FOUND' : 'PEER_UNAVAILABLE', message);
    this.status = status;
  }
}

const ANSWER_MS = 10_000;
/** The signing keys come in a type of their own. */
const ACCEPTED = 'application/json, application/jwk-set+json';

/** The one of this process, made when it is first asked for. */
export type OpenKubernetesApi = () => Promise<KubernetesApi>;

/** One that could not be made is tried again by whoever asks next. */
export function openOnce(kubeconfig: string | undefined): OpenKubernetesApi {
  let opened: Promise<KubernetesApi> | null = null;
  return () => {
    opened ??= createKubernetesApi(kubeconfig).catch((error: unknown) => {
      opened = null;
      throw error;
    });
    return opened;
  };
}

/** By this kubeconfig, else as the pod's service account. The library is loaded here: without Kubernetes it costs nothing. */
export async function createKubernetesApi(kubeconfig: string | undefined): Promise<KubernetesApi> {
  const { KubeConfig } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  if (kubeconfig === undefined) config.loadFromCluster();
  else config.loadFromFile(kubeconfig);
  const server = config.getCurrentCluster()?.server;
  if (server === undefined)
    throw new AppError('CONFIG_INVALID', `${kubeconfig ?? "the pod's service account"} names no API server`);
  return {
    config,
    async request(method, path, body, contentType = 'application/json', given?) {
      const options: RequestOptions = { method, headers: { accept: ACCEPTED } };
      await config.applyToHTTPSOptions(options);
      const text = body === undefined ? undefined : JSON.stringify(body);
      return new Promise<Json>((resolve, reject) => {
        const timeout = AbortSignal.timeout(ANSWER_MS);
        const signal = given ? AbortSignal.any([given, timeout]) : timeout;
        const request = https.request(`${server}${path}`, { ...options, signal }, (response) => {
          const parts: Buffer[] = [];
          response.on('data', (part: Buffer) => parts.push(part)).on('error', reject);
          response.on('end', () => {
            const answer = jsonOf(Buffer.concat(parts).toString('utf8'));
            const status = response.statusCode ?? 0;
            if (status >= 200 && status < 300) resolve(answer);
            else reject(new ApiError(status, `${method} ${path} answered ${status}: ${messageOf(answer)}`));
          });
        });
        request.on('error', reject);
        if (text !== undefined) request.setHeader('content-type', contentType);
        request.end(text);
      });
    },
  };
}

function messageOf({ message }: Json): string {
  return typeof message === 'string' ? message : '';
}

function jsonOf(text: string): Json {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : {};
  } catch {
    return { message: text.slice(0, 200) };
  }
}

/** Where the API server is and who we are to it: the pod's service account, or a kubeconfig. */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';

import { AppError, isObject, readDocuments, objectOf, textOf } from '#core';

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';
/** Projected tokens change within their hour; the kubelet renews them at 80 %. */
const TOKEN_MS = 60_000;

export interface Access {
  /** `https://10.96.0.1:443`, without a final slash. */
  readonly server: string;
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  /** Name that the server's certificate is to have, where it is not the address. */
  readonly servername: string | undefined;
  readonly insecure: boolean;
  /** The bearer token of now; '' where we show a certificate or nothing. */
  readonly token: () => Promise<string>;
}

/** Null: this process is in no cluster. Throws CONFIG_INVALID for a kubeconfig that cannot be used. */
export async function findAccess(
  kubeconfig: string | undefined,
  env: NodeJS.ProcessEnv,
  folder = SERVICE_ACCOUNT,
): Promise<Access | null> {
  if (kubeconfig !== undefined) return readKubeconfig(kubeconfig);
  const { KUBERNETES_SERVICE_HOST: host = '', KUBERNETES_SERVICE_PORT: port = '443' } = env;
  if (host === '') return null;
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    ca: await readFile(join(folder, 'ca.crt'), 'utf8'),
    cert: undefined,
    key: undefined,
    servername: undefined,
    insecure: false,
    token: tokenFile(join(folder, 'token')),
  };
}

function tokenFile(path: string): () => Promise<string> {
  let token = '';
  let readAt = -Infinity;
  return async () => {
    if (performance.now() - readAt > TOKEN_MS) {
      token = (await readFile(path, 'utf8')).trim();
      readAt = performance.now();
    }
    return token;
  };
}

async function readKubeconfig(path: string): Promise<Access> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new AppError('CONFIG_INVALID', `kubeconfig ${path} cannot be read`, { cause });
  });
  const config = objectOf(readDocuments(text, path)[0]?.value);
  const context = entry(config.contexts, textOf(config['current-context']), 'context', path);
  const cluster = entry(config.clusters, textOf(context.cluster), 'cluster', path);
  const user = context.user === undefined ? {} : entry(config.users, textOf(context.user), 'user', path);
  const server = textOf(cluster.server).replace(/\/$/, '');
  if (!/^https?:\/\//.test(server))
    throw new AppError('CONFIG_INVALID', `kubeconfig ${path} has no server, expected https://…`);
  if (user.exec !== undefined || user['auth-provider'] !== undefined)
    throw new AppError(
      'CONFIG_INVALID',
      `kubeconfig ${path} wants a program for its user, expected a token or certificate`,
    );
  const file = (key: string): string => resolve(dirname(path), key);
  const content = (holder: Record<string, unknown>, name: string): string | undefined => {
    const data = textOf(holder[`${name}-data`]);
    if (data !== '') return Buffer.from(data, 'base64').toString('utf8');
    const place = textOf(holder[name]);
    return place === '' ? undefined : readFileSync(file(place), 'utf8');
  };
  const token = textOf(user.token);
  return {
    server,
    ca: content(cluster, 'certificate-authority'),
    cert: content(user, 'client-certificate'),
    key: content(user, 'client-key'),
    servername: textOf(cluster['tls-server-name']) || undefined,
    insecure: cluster['insecure-skip-tls-verify'] === true,
    token: textOf(user.tokenFile) === '' ? async () => token : tokenFile(file(textOf(user.tokenFile))),
  };
}

/** The named one of `[{ name, context: {…} }]`. */
function entry(list: unknown, name: string, what: string, path: string): Record<string, unknown> {
  const found = Array.isArray(list) ? list.map(objectOf).find((each) => each.name === name) : undefined;
  const value = found?.[what];
  if (isObject(value)) return value;
  throw new AppError('CONFIG_INVALID', `kubeconfig ${path} has no ${what} "${name}"`);
}

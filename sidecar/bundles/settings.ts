/** How registries are reached: credentials, authorities, hosts without TLS. */
import { readFile } from 'node:fs/promises';

import { checkConfig, ConfigError, errorText, type ImageReference, imageRepository, Type } from '#core';

export interface RegistrySettings {
  /** A docker `config.json` (or a Secret of type kubernetes.io/dockerconfigjson), absolute; null: nobody is known. */
  readonly credentials: string | null;
  /** PEM of the authorities of registries, absolute, beside the well-known ones; null: those alone. */
  readonly ca: string | null;
  /** `host` or `host:port` of registries that speak plain HTTP. Loopback addresses may always. */
  readonly insecure: readonly string[];
}

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

const DockerConfig = Type.Object({
  auths: Type.Optional(
    Type.Record(
      Type.String(),
      Type.Object({
        auth: Type.Optional(Type.String()),
        username: Type.Optional(Type.String()),
        password: Type.Optional(Type.String()),
      }),
    ),
  ),
});
/** What docker itself calls the public hub. */
const HUB_NAMES = new Set(['index.docker.io', 'registry-1.docker.io']);

/** Read for each pull, so that they may change. Null: the file has none for the repository. Throws a ConfigError. */
export async function readCredentials(file: string | null, reference: ImageReference): Promise<Credentials | null> {
  if (file === null) return null;
  const refuse = (message: string): never => {
    throw new ConfigError(file, [{ path: '', message, expected: "docker's config.json" }]);
  };
  const text = await readFile(file, 'utf8').catch((error: unknown) => refuse(`cannot be read: ${errorText(error)}`));
  const { value, issues } = checkConfig(DockerConfig, parsed(text, refuse));
  if (value === null) throw new ConfigError(file, issues);
  const name = `${imageRepository(reference)}/`;
  const [entry] = Object.entries(value.auths ?? {})
    .map(([key, found]) => ({ place: placeOf(key), found }))
    .filter(({ place }) => name.startsWith(`${place}/`))
    .sort((a, b) => b.place.length - a.place.length);
  if (!entry) return null;
  const { auth, username, password } = entry.found;
  if (auth === undefined || auth === '')
    return username === undefined || password === undefined ? null : { user: username, password };
  const [, user, secret] = /^([^:]*):([^]*)$/.exec(Buffer.from(auth, 'base64').toString()) ?? [];
  if (user === undefined || secret === undefined)
    return refuse(`auths ${entry.place}: auth is not base64 of user:password`);
  return { user, password: secret };
}

/** PEM texts; undefined: the well-known authorities alone. Throws a ConfigError. */
export async function readAuthorities(file: string | null): Promise<string | undefined> {
  if (file === null) return undefined;
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new ConfigError(file, [{ path: '', message: `cannot be read: ${errorText(error)}`, expected: 'PEM' }]);
  }
}

/** `https://index.docker.io/v1/` → `docker.io`. */
function placeOf(key: string): string {
  const [host = '', ...path] = key
    .replace(/^https?:\/\//, '')
    .replace(/\/+$/, '')
    .split('/');
  const known = HUB_NAMES.has(host.toLowerCase()) ? 'docker.io' : host.toLowerCase();
  return [known, ...path.filter((part) => !/^v[12]$/.test(part))].join('/');
}

function parsed(text: string, refuse: (message: string) => never): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // What is in it is secret: nothing of it is told.
    return refuse('is no JSON');
  }
}

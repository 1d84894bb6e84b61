/** Names of images as people write them: `ghcr.io/acme/hooks:v1`, `ghcr.io/acme/hooks@sha256:…`. */
import { AppError, errorText } from './errors.ts';

export interface ImageReference {
  /** Host, with its port where one was given. */
  readonly registry: string;
  readonly repository: string;
  /** Null: only the digest says which image. */
  readonly tag: string | null;
  /** `sha256:` and 64 hexadecimal digits; null: the tag says which image, and may say another one tomorrow. */
  readonly digest: string | null;
}

const LONGEST = 1024;
const REGISTRY =
  /^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i;
const REPOSITORY = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
/** Where a name without a registry is. */
const HUB = 'docker.io';

/** Throws CONFIG_INVALID that says what was expected. */
export function parseImage(text: string): ImageReference {
  const refuse = (what: string): never => {
    const shown = JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
    throw new AppError('CONFIG_INVALID', `${shown} is no image: ${what}, expected like ghcr.io/acme/hooks@sha256:…`);
  };
  if (text.length > LONGEST) return refuse(`it has ${text.length} characters`);
  const [whole = '', digest = null, more] = text.split('@');
  if (more !== undefined || (digest !== null && !DIGEST.test(digest)))
    return refuse('its digest is not sha256:<64 hex digits>');
  const colon = whole.indexOf(':', whole.lastIndexOf('/') + 1);
  const [name, tag] = colon < 0 ? [whole, null] : [whole.slice(0, colon), whole.slice(colon + 1)];
  if (tag !== null && !TAG.test(tag)) return refuse('its tag has characters that no tag has');
  const { registry, repository } = placeOf(name);
  if (!REGISTRY.test(registry)) return refuse(`${JSON.stringify(registry)} is no registry`);
  if (!REPOSITORY.test(repository)) return refuse(`${JSON.stringify(repository)} is no repository`);
  return { registry: registry.toLowerCase(), repository, digest, tag: tag ?? (digest === null ? 'latest' : null) };
}

/** Why the text names no image; null: it does. */
export function imageProblem(text: string): string | null {
  try {
    parseImage(text);
    return null;
  } catch (error) {
    return errorText(error);
  }
}

/** The registry and repository of a name without tag and digest; short names are those of the public hub. */
function placeOf(name: string): Pick<ImageReference, 'registry' | 'repository'> {
  const slash = name.indexOf('/');
  const first = name.slice(0, Math.max(0, slash));
  if (/[.:[]/.test(first) || first.toLowerCase() === 'localhost')
    return { registry: first, repository: name.slice(slash + 1) };
  return { registry: HUB, repository: slash < 0 ? `library/${name}` : name };
}

export function imageRepository({ registry, repository }: Pick<ImageReference, 'registry' | 'repository'>): string {
  return `${registry}/${repository}`;
}

/** The one spelling of a reference: with its registry, and its tag where no digest is. */
export function imageText(reference: ImageReference): string {
  const { tag, digest } = reference;
  return `${imageRepository(reference)}${tag === null ? '' : `:${tag}`}${digest === null ? '' : `@${digest}`}`;
}

/** Whether the text can stand in `bundles.allow`: a registry, or the first parts of a repository of it. */
export function isImagePrefix(text: string): boolean {
  const [registry = '', ...parts] = text.split('/');
  const named = /[.:[]/.test(registry) || registry.toLowerCase() === 'localhost';
  return named && REGISTRY.test(registry) && (parts.length === 0 || REPOSITORY.test(parts.join('/')));
}

/** Whether the repository is one of these, or below one; whole parts of the path count. */
export function isImageBelow(reference: ImageReference, prefixes: readonly string[]): boolean {
  const name = `${imageRepository(reference)}/`;
  return prefixes.some((prefix) => {
    const [registry = '', ...parts] = prefix.split('/');
    return name.startsWith(`${[registry.toLowerCase(), ...parts].join('/')}/`);
  });
}

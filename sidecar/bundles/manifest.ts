/** What a registry says of an image: OCI manifests and indexes, and Docker's schema 2. */
import { AppError, checkConfig, errorText, type Infer, Type } from '#core';

const DIGEST = '^sha256:[0-9a-f]{64}$';

const Platform = Type.Object({
  os: Type.String(),
  architecture: Type.String(),
  variant: Type.Optional(Type.String()),
});
const Descriptor = Type.Object({
  mediaType: Type.String(),
  digest: Type.String({ pattern: DIGEST }),
  size: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
  urls: Type.Optional(Type.Array(Type.String())),
  annotations: Type.Optional(Type.Record(Type.String(), Type.String())),
  platform: Type.Optional(Platform),
});
const Manifest = Type.Object({
  schemaVersion: Type.Literal(2),
  mediaType: Type.Optional(Type.String()),
  config: Type.Optional(Descriptor),
  layers: Type.Optional(Type.Array(Descriptor, { maxItems: 256 })),
  manifests: Type.Optional(Type.Array(Descriptor, { maxItems: 1024 })),
});
const ImageConfig = Type.Object({ os: Type.Optional(Type.String()), architecture: Type.Optional(Type.String()) });

export type Descriptor = Infer<typeof Descriptor>;

export type ReadManifest =
  | { readonly kind: 'image'; readonly config: Descriptor; readonly layers: readonly Descriptor[] }
  | { readonly kind: 'index'; readonly manifests: readonly Descriptor[] };

const OCI = 'application/vnd.oci.image';
const DOCKER = 'application/vnd.docker';
const IMAGES = [`${OCI}.manifest.v1+json`, `${DOCKER}.distribution.manifest.v2+json`];
const INDEXES = [`${OCI}.index.v1+json`, `${DOCKER}.distribution.manifest.list.v2+json`];
/** For the header that says what we can read. */
export const MANIFEST_TYPES = [...IMAGES, ...INDEXES].join(', ');
const IMAGE_CONFIGS = new Set([`${OCI}.config.v1+json`, `${DOCKER}.container.image.v1+json`]);

/**
 * Throws MESSAGE_INVALID. `mediaType` is what its descriptor or the registry calls it; the document's own word, where it has
 * one, counts more, and a document that could be read as both kinds is neither.
 */
export function readManifest(text: string, mediaType: string): ReadManifest {
  const { value, issues } = checkConfig(Manifest, parsed(text));
  if (value === null) {
    const [first] = issues;
    throw invalid(`its manifest is none that can be read: ${first?.path ?? ''} ${first?.message ?? ''}`);
  }
  const { config, layers, manifests } = value;
  const type = value.mediaType ?? mediaType.split(';', 1)[0]?.trim() ?? '';
  if (manifests !== undefined && (layers !== undefined || config !== undefined))
    throw invalid('its manifest is an image and an index at once');
  if (manifests && INDEXES.includes(type)) return { kind: 'index', manifests };
  if (layers && config && IMAGES.includes(type)) return { kind: 'image', config, layers };
  throw invalid(`its manifest is of type ${JSON.stringify(type)}, expected ${IMAGES.join(' or ')} or an index`);
}

export interface NodePlatform {
  readonly os: string;
  readonly architecture: string;
}

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' };

export function nodePlatform(): NodePlatform {
  return { os: process.platform, architecture: ARCHITECTURES[process.arch] ?? process.arch };
}

export function platformText({ os, architecture }: NodePlatform): string {
  return `${os}/${architecture}`;
}

/** The one manifest of an index that is for the platform. Throws MESSAGE_INVALID that says which there are. */
export function forPlatform(manifests: readonly Descriptor[], wanted: NodePlatform): Descriptor {
  const usual = (found: Descriptor): boolean => ['', 'v8'].includes(found.platform?.variant ?? '');
  const fitting = manifests.filter(
    ({ platform }) => platform?.os === wanted.os && platform.architecture === wanted.architecture,
  );
  const [only] = manifests;
  const found = fitting.find(usual) ?? fitting[0];
  if (found) return found;
  // An index of an artifact that is for every platform.
  if (only && manifests.length === 1 && !only.platform) return only;
  const there = manifests.flatMap(({ platform }) => (platform ? [platformText(platform)] : []));
  throw invalid(`it is not there for ${platformText(wanted)}, only for ${there.join(', ') || 'no platform'}`);
}

/** Refuses an image that says it is for another platform. Throws MESSAGE_INVALID. */
export function checkPlatform({ mediaType }: Descriptor, text: string, wanted: NodePlatform): void {
  if (!IMAGE_CONFIGS.has(mediaType)) return;
  const { value } = checkConfig(ImageConfig, parsed(text));
  if (value === null) throw invalid('its configuration is none that can be read');
  const { os = wanted.os, architecture = wanted.architecture } = value;
  if (os !== wanted.os || architecture !== wanted.architecture)
    throw invalid(`it is for ${platformText({ os, architecture })}, not for ${platformText(wanted)}`);
}

export type LayerForm =
  | { readonly form: 'tar'; readonly compression: 'none' | 'gzip' | 'zstd' }
  /** A single file of an artifact, as ORAS pushes it. */
  | { readonly form: 'file'; readonly name: string };

const TITLE = 'org.opencontainers.image.title';
const UNPACK = 'io.deis.oras.content.unpack';

/** How a layer is unpacked. Throws MESSAGE_INVALID for one that nobody here knows how to unpack. */
export function layerForm({ mediaType, urls = [], annotations = {} }: Descriptor): LayerForm {
  const title = annotations[TITLE];
  if (urls.length > 0) throw invalid(`a layer is kept elsewhere (${mediaType} with urls), which is not followed`);
  if (title !== undefined && annotations[UNPACK] !== 'true') return { form: 'file', name: title };
  const ending = /[.+](tar|gzip|zstd)$/.exec(mediaType)?.[1];
  if (!/\btar\b/.test(mediaType) || ending === undefined)
    throw invalid(`a layer is of type ${JSON.stringify(mediaType)}, expected a tar, with gzip or zstd or neither`);
  return { form: 'tar', compression: ending === 'gzip' || ending === 'zstd' ? ending : 'none' };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(`the registry answered with what is no JSON: ${errorText(error)}`);
  }
}

function invalid(what: string): AppError {
  return new AppError('MESSAGE_INVALID', what);
}

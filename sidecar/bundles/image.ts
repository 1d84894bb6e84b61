/** One image from its registry: which one it is, and its files. */
import { AppError, type Clock, type ImageReference } from '#core';

import type { BundleLimits } from './limits.ts';
import { checkPlatform, type Descriptor, forPlatform, type NodePlatform, readManifest } from './manifest.ts';
import { Registry } from './registry.ts';
import { readAuthorities, readCredentials, type RegistrySettings } from './settings.ts';
import { Transport } from './transport.ts';
import { Unpacker } from './unpack.ts';

/** An index may name an index; nobody needs more. */
const DEEPEST_INDEX = 2;

export interface ImageSource {
  readonly settings: RegistrySettings;
  readonly limits: BundleLimits;
  readonly platform: NodePlatform;
  readonly clock: Clock;
}

export interface ResolvedImage {
  /** Of the manifest for this platform. */
  readonly digest: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

export interface PullProgress {
  /** From 1. */
  readonly layer: number;
  readonly layers: number;
  readonly bytes: number;
  readonly totalBytes: number;
}

/** Both throw as `Registry.manifest`, and MESSAGE_INVALID for an image that cannot be had here. */
export interface OpenImage {
  resolve(): Promise<ResolvedImage>;
  /** Into a folder that is there, empty and ours; everything is on disk and read-only when it resolves. */
  unpack(image: ResolvedImage, root: string, onProgress: (progress: PullProgress) => void): Promise<Unpacker>;
}

/** Lets `work` have the image of the reference; every connection is closed afterwards. */
export async function withImage<T>(
  reference: ImageReference,
  { settings, limits, platform, clock }: ImageSource,
  signal: AbortSignal,
  work: (image: OpenImage) => Promise<T>,
): Promise<T> {
  const credentials = await readCredentials(settings.credentials, reference);
  const ca = await readAuthorities(settings.ca);
  const transport = new Transport({ ca, insecure: settings.insecure, limits, clock });
  const registry = new Registry({ reference, transport, credentials, limits, clock, signal });
  try {
    return await work({
      resolve: () => resolve(registry, reference, platform),
      unpack: async (image, root, onProgress) => {
        checkSizes(image, limits);
        checkPlatform(image.config, await registry.small(image.config), platform);
        return unpack(registry, image, new Unpacker(root, limits), onProgress);
      },
    });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    transport.close();
  }
}

async function resolve(
  registry: Registry,
  { tag, digest }: ImageReference,
  platform: NodePlatform,
): Promise<ResolvedImage> {
  let wanted = digest ?? tag ?? 'latest';
  for (let depth = 0; depth <= DEEPEST_INDEX; depth++) {
    const fetched = await registry.manifest(wanted);
    const read = readManifest(fetched.text, fetched.mediaType);
    if (read.kind === 'image') return { digest: fetched.digest, config: read.config, layers: read.layers };
    wanted = forPlatform(read.manifests, platform).digest;
  }
  throw new AppError('MESSAGE_INVALID', `its index names indexes more than ${DEEPEST_INDEX} deep`);
}

function checkSizes({ layers }: ResolvedImage, limits: BundleLimits): void {
  if (layers.length > limits.layers)
    throw new AppError('MESSAGE_INVALID', `it has ${layers.length} layers, at most ${limits.layers} are unpacked`);
  const bytes = bytesOf(layers);
  if (bytes > limits.pulledBytes)
    throw new AppError('MESSAGE_INVALID', `its layers have ${bytes} bytes, at most ${limits.pulledBytes} are pulled`);
}

async function unpack(
  registry: Registry,
  { layers }: ResolvedImage,
  unpacker: Unpacker,
  onProgress: (progress: PullProgress) => void,
): Promise<Unpacker> {
  const totalBytes = bytesOf(layers);
  let bytes = 0;
  for (const [index, layer] of layers.entries()) {
    const counted = async function* (): AsyncGenerator<Buffer> {
      for await (const chunk of registry.blob(layer)) {
        bytes += chunk.length;
        onProgress({ layer: index + 1, layers: layers.length, bytes, totalBytes });
        yield chunk;
      }
    };
    await unpacker.layer(index, layer, counted());
  }
  await unpacker.finish();
  return unpacker;
}

function bytesOf(layers: readonly Descriptor[]): number {
  return layers.reduce((sum, { size }) => sum + size, 0);
}

/** How a sidecar reaches its control plane: a Unix socket, or TLS with a token. */
import { readFile } from 'node:fs';

import { type ChannelCredentials, credentials, experimental, Metadata } from '@grpc/grpc-js';

import { AppError } from '#core';

/** How often the file of certificates is looked at. */
const REFRESH_MS = 10_000;

export interface Channel {
  /** As gRPC takes it. */
  readonly address: string;
  readonly credentials: ChannelCredentials;
}

export interface ChannelOptions {
  /** `unix:/path/to.sock` or `host:port`. */
  readonly controlPlane: string;
  /** PEM file of the authorities that the control plane's certificate is checked against; read again when it changes. */
  readonly ca?: string | undefined;
  /** File with our bearer token, read for each stream. */
  readonly token?: string | undefined;
}

/** Refuses, with POLICY_REFUSED, to dial anything but a Unix socket without TLS and a credential (design section 5). */
export function createChannel({ controlPlane, ca, token }: ChannelOptions): Channel {
  if (/^unix:\/[^\0]+$/.test(controlPlane)) return { address: controlPlane, credentials: credentials.createInsecure() };
  if (!/^(\[[0-9a-fA-F:]+\]|[^:/\s]+):\d{1,5}$/.test(controlPlane)) {
    const expected = 'expected unix:/path/to.sock or host:port';
    throw new AppError('POLICY_REFUSED', `control plane address "${controlPlane}" is none, ${expected}`);
  }
  if (ca === undefined || token === undefined) {
    const expected = 'expected --ca and --token beside it, or unix:/path/to.sock';
    throw new AppError(
      'POLICY_REFUSED',
      `control plane address "${controlPlane}" needs TLS and a credential, ${expected}`,
    );
  }
  const authorities = new experimental.FileWatcherCertificateProvider({
    caCertificateFile: ca,
    refreshIntervalMs: REFRESH_MS,
  });
  const tls = experimental.createCertificateProviderChannelCredentials(authorities, null);
  return { address: controlPlane, credentials: credentials.combineChannelCredentials(tls, bearer(token)) };
}

function bearer(path: string) {
  return credentials.createFromMetadataGenerator((_options, done) => {
    readFile(path, 'utf8', (cause, text) => {
      if (cause) return done(new AppError('PEER_UNAVAILABLE', `token file ${path} cannot be read`, { cause }));
      const metadata = new Metadata();
      metadata.set('authorization', `Bearer ${text.trim()}`);
      return done(null, metadata);
    });
  });
}

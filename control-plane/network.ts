/** The port for sidecars of other machines: TLS by files that are read again when they change, and a token for each stream. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';

import { experimental, type Server } from '@grpc/grpc-js';

import { AppError, errorText, type Log } from '#core';

import { authenticating } from './identity/authenticate.ts';
import type { VerifyToken } from './identity/verifier.ts';

/** How often the files are looked at. */
const REFRESH_MS = 10_000;

export interface NetworkOptions {
  /** `host:port`, or `:port` for every address; port 0: any free one. */
  readonly address: string;
  /** PEM: the chain, and its key. */
  readonly certFile: string;
  readonly keyFile: string;
  readonly verify: VerifyToken;
}

/** Resolves with the port. CONFIG_INVALID for files that are no certificate and key, PLUGIN_START_FAILED when the port is taken. */
export async function listenOnNetwork(server: Server, options: NetworkOptions, log: Log): Promise<number> {
  const { address, certFile, keyFile, verify } = options;
  await checkFiles(certFile, keyFile);
  const provider = new experimental.FileWatcherCertificateProvider({
    certificateFile: certFile,
    privateKeyFile: keyFile,
    caCertificateFile: certFile,
    refreshIntervalMs: REFRESH_MS,
  });
  const tls = experimental.createCertificateProviderServerCredentials(provider, provider, false);
  const credentials = experimental.createServerCredentialsWithInterceptors(tls, [authenticating(verify, log)]);
  return new Promise((resolve, reject) => {
    server.bindAsync(address.startsWith(':') ? `${everyAddress()}${address}` : address, credentials, (error, port) => {
      if (!error) return resolve(port);
      return reject(
        new AppError('PLUGIN_START_FAILED', `cannot listen on ${address}: ${error.message}`, { cause: error }),
      );
    });
  });
}

/** Where the kernel has no IPv6, its address of all addresses cannot be bound. */
function everyAddress(): string {
  return existsSync('/proc/net/if_inet6') ? '[::]' : '0.0.0.0';
}

async function checkFiles(certFile: string, keyFile: string): Promise<void> {
  try {
    createSecureContext({ cert: await readFile(certFile), key: await readFile(keyFile) });
  } catch (cause) {
    throw new AppError(
      'CONFIG_INVALID',
      `${certFile} and ${keyFile} are no certificate and its key: ${errorText(cause)}`,
      {
        cause,
      },
    );
  }
}

import { readFile } from 'node:fs/promises';

import { credentials, Metadata, type ServiceError } from '@grpc/grpc-js';

import { ConfigServiceClient } from '#proto';

/** Why a stream with this token is refused; null: it is not. */
export async function refusal(address: string, ca: string, token: string, node = 'probe'): Promise<string | null> {
  const client = new ConfigServiceClient(address, credentials.createSsl(await readFile(ca)));
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${token}`);
  const call = client.watch(metadata);
  try {
    return await new Promise((resolve) => {
      call.on('error', ({ details }: ServiceError) => resolve(details));
      call.on('data', () => resolve(null));
      call.write({
        message: {
          $case: 'hello',
          value: { sidecarId: 'probe', node, version: '', plugins: [], heldVersion: '' },
        },
      });
    });
  } finally {
    call.cancel();
    client.close();
  }
}

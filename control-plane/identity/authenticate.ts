/** Callers on the network show a bearer token with each stream; who they are travels on in the stream's metadata. */
import {
  type Metadata,
  type ServerInterceptor,
  ServerInterceptingCall,
  ServerListenerBuilder,
  ResponderBuilder,
  status,
} from '@grpc/grpc-js';

import { AppError, errorText, type Log } from '#core';

import type { VerifyToken } from './verifier.ts';

/** Metadata that we set, and that nobody may send: who called over the network, and which node the token named ('': any). */
const CALLER = 'trotline-caller';
const NETWORK = 'network';
const CALLER_NODE = 'trotline-caller-node';

/** For the network's port alone; on the Unix socket the file's mode is the credential. */
export function authenticating(verify: VerifyToken, log: Log): ServerInterceptor {
  return (_method, call) => {
    const admit = async (token: string, metadata: Metadata, next: (metadata: Metadata) => void): Promise<void> => {
      try {
        const { node } = await verify(token);
        metadata.set(CALLER, NETWORK);
        metadata.set(CALLER_NODE, encodeURIComponent(node ?? ''));
      } catch (error) {
        log.warn({ peer: call.getPeer(), error: errorText(error) }, 'caller refused');
        const refused = error instanceof AppError && error.code === 'POLICY_REFUSED';
        const code = refused ? status.PERMISSION_DENIED : status.UNAVAILABLE;
        return call.sendStatus({ code, details: errorText(error) });
      }
      next(metadata);
    };
    const listener = new ServerListenerBuilder()
      .withOnReceiveMetadata((metadata, next) => {
        const token = /^Bearer +(.+)$/i.exec(String(metadata.get('authorization')[0] ?? ''))?.[1];
        metadata.remove('authorization');
        if (token === undefined) {
          call.sendStatus({ code: status.UNAUTHENTICATED, details: 'expected a bearer token' });
          return;
        }
        void admit(token, metadata, next);
      })
      .build();
    return new ServerInterceptingCall(call, new ResponderBuilder().withStart((next) => next(listener)).build());
  };
}

/** Takes out what only we may say, where nobody is authenticated. */
export const unauthenticated: ServerInterceptor = (_method, call) => {
  const listener = new ServerListenerBuilder()
    .withOnReceiveMetadata((metadata, next) => {
      metadata.remove(CALLER);
      metadata.remove(CALLER_NODE);
      next(metadata);
    })
    .build();
  return new ServerInterceptingCall(call, new ResponderBuilder().withStart((next) => next(listener)).build());
};

/** Which node a caller's token is of; null: any, for it came over the Unix socket or has the token of all sidecars. */
export function callerNode(metadata: Metadata): string | null {
  if (metadata.get(CALLER)[0] !== NETWORK) return null;
  return decodeURIComponent(String(metadata.get(CALLER_NODE)[0] ?? '')) || null;
}

/** Throws POLICY_REFUSED where the token is of another node than the one that the caller speaks for. */
export function checkNode(metadata: Metadata, node: string): void {
  const own = callerNode(metadata);
  if (own !== null && own !== node)
    throw new AppError('POLICY_REFUSED', `the token is of node "${own}", not of "${node}"`);
}

/** Begins with the node of the token, so that none can act as the sidecar of another node, whatever id it sends. */
export function scopedId(metadata: Metadata, sidecarId: string): string {
  const own = callerNode(metadata);
  return own === null || sidecarId === '' ? sidecarId : `${own}/${sidecarId}`;
}

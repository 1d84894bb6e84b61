/** A control plane's claim and report services over a Unix socket, and clients of them. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { type ClientDuplexStream, credentials, type ServiceError } from '@grpc/grpc-js';

import { type ClaimAnswer, type ClaimOperation, type ReportBatch, Supervisor } from '#core';
import {
  type ClaimRequest,
  type ClaimResponse,
  ClaimServiceClient,
  convert,
  type PublishRequest,
  type PublishResponse,
  ReportServiceClient,
} from '#proto';

import { createClaimService } from '../../../../control-plane/claims.ts';
import { createReportService } from '../../../../control-plane/reports.ts';
import { createGrpcServer } from '../../../../control-plane/server.ts';
import { createStore, type Store } from '../../../../control-plane/store/index.ts';
import { quiet } from './reports.ts';

export interface Wire extends AsyncDisposable {
  readonly store: Store;
  readonly address: string;
  readonly folder: string;
}

/** `wrap` may put something between the services and the store. */
export async function startWire(wrap: (store: Store) => Store = (store) => store): Promise<Wire> {
  const folder = await mkdtemp(join(tmpdir(), 'wire-'));
  const address = `unix:${join(folder, 'control-plane.sock')}`;
  const store = wrap(createStore({ path: join(folder, 'store.db'), log: quiet }));
  const supervisor = new Supervisor();
  supervisor.add('store', store);
  const services = [createClaimService(store, quiet), createReportService(store, quiet)];
  supervisor.add('server', createGrpcServer({ address, services, log: quiet }));
  await supervisor.start();
  return {
    store,
    address,
    folder,
    async [Symbol.asyncDispose]() {
      await supervisor.stop();
      await rm(folder, { recursive: true });
    },
  };
}

/** One claim stream: what was answered by id, in order of arrival, in how many messages, and how it ended. */
export class ClaimClient implements Disposable {
  readonly answers: ClaimAnswer[] = [];
  messages = 0;
  error: ServiceError | null = null;
  ended = false;
  readonly #client: ClaimServiceClient;
  readonly stream: ClientDuplexStream<ClaimRequest, ClaimResponse>;

  constructor(address: string, sidecarId: string) {
    this.#client = new ClaimServiceClient(address, credentials.createInsecure());
    this.stream = this.#client.claim();
    this.stream.on('data', ({ answers }: ClaimResponse) => {
      this.messages += 1;
      this.answers.push(...answers.map(convert.claimAnswerFromProto));
    });
    this.stream.on('error', (error: ServiceError) => (this.error = error));
    this.stream.on('end', () => (this.ended = true));
    this.stream.write({ sidecarId, operations: [] });
  }

  ask(...operations: ClaimOperation[]): void {
    this.stream.write({ sidecarId: '', operations: operations.map(convert.claimOperationToProto) });
  }

  acquire(id: number, key: string): void {
    this.ask({ kind: 'acquire', id, key });
  }

  [Symbol.dispose](): void {
    this.stream.cancel();
    this.#client.close();
  }
}

/** One report stream: the sequences that were acknowledged, and how it ended. */
export class ReportClient implements Disposable {
  readonly acknowledged: number[] = [];
  error: ServiceError | null = null;
  ended = false;
  readonly #client: ReportServiceClient;
  readonly stream: ClientDuplexStream<PublishRequest, PublishResponse>;

  constructor(address: string) {
    this.#client = new ReportServiceClient(address, credentials.createInsecure());
    this.stream = this.#client.publish();
    this.stream.on('data', ({ storedSequence }: PublishResponse) => this.acknowledged.push(Number(storedSequence)));
    this.stream.on('error', (error: ServiceError) => (this.error = error));
    this.stream.on('end', () => (this.ended = true));
  }

  publish(batch: ReportBatch, sidecarId = '', node = ''): void {
    this.stream.write(convert.reportToProto(batch, sidecarId, node));
  }

  [Symbol.dispose](): void {
    this.stream.cancel();
    this.#client.close();
  }
}

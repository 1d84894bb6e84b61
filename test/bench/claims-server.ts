/** The claims bench's server, a process of its own: `node claims-server.ts FOLDER`. Ends with its stdin. */
import { join } from 'node:path';

import { createLog, Supervisor } from '#core';

import { createClaimService } from '../../control-plane/claims.ts';
import { createGrpcServer } from '../../control-plane/server.ts';
import { createStore } from '../../control-plane/store/index.ts';

const folder = process.argv[2] ?? '';
const log = createLog('error', 2);
const store = createStore({ path: join(folder, 'store.db'), log });
const services = [createClaimService(store, log)];
const supervisor = new Supervisor(log);
supervisor.add('store', store);
supervisor.add('server', createGrpcServer({ address: `unix:${join(folder, 's')}`, services, log }));
await supervisor.start();
process.stdout.write('ready\n');
process.stdin.resume().once('end', () => void supervisor.stop().then(() => process.exit(0)));

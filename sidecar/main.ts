import { Socket } from 'node:net';
import { userInfo } from 'node:os';
import { parseArgs } from 'node:util';

import { ConfigError, createLog, errorText, startTelemetry, systemClock, VERSION } from '#core';
import { actions, sources } from '#plugins';

import { parseSidecarOptions } from './config.ts';
import { sidecarId } from './identity.ts';
import { policyForUp, readPolicy, DEFAULT_POLICY } from './policy.ts';
import { createSidecar } from './sidecar.ts';

const { values } = parseArgs({
  options: {
    'control-plane': { type: 'string' },
    data: { type: 'string' },
    node: { type: 'string' },
    policy: { type: 'string' },
    'up-hooks': { type: 'string' },
    'journal-sync': { type: 'string' },
  },
});
const log = createLog('info');

function fail(error: unknown): never {
  log.error({ error: errorText(error) }, 'sidecar failed');
  process.exit(error instanceof ConfigError ? 2 : 1);
}

async function main(): Promise<void> {
  const { 'control-plane': controlPlane, 'up-hooks': upHooks, 'journal-sync': journalSync, ...rest } = values;
  const options = parseSidecarOptions({ ...rest, controlPlane, upHooks, journalSync });
  const up =
    options.upHooks === undefined
      ? DEFAULT_POLICY
      : policyForUp({ hooksDirectory: options.upHooks, user: userInfo().username });
  const policy = options.policy === undefined ? up : await readPolicy(options.policy);
  const telemetry = await startTelemetry('trotline-sidecar', process.env);
  const id = await sidecarId(options.data);
  const sidecar = createSidecar({
    options,
    sidecarId: id,
    version: VERSION,
    policy,
    sources,
    actions,
    clock: systemClock,
    log,
  });

  let stopping: Promise<void> | null = null;
  const stop = (reason: string): void => {
    if (stopping) process.exit(1);
    const { active, waiting } = sidecar.hooks.load;
    log.info({ reason, active, waiting }, 'draining');
    stopping = sidecar
      .stop(AbortSignal.timeout(options.drainMs))
      .then(() => telemetry.stop())
      .then(() => {
        log.info({ waiting: sidecar.journal.pending().length }, 'stopped');
        process.exit(0);
      })
      .catch(fail);
  };
  process.on('SIGTERM', () => stop('SIGTERM'));
  process.on('SIGINT', () => stop('SIGINT'));
  if (process.env.TROTLINE_PARENT_FD !== undefined) {
    // `trotline up` holds the other end: when it is gone, however it ended, so are we.
    new Socket({ fd: Number(process.env.TROTLINE_PARENT_FD) })
      .on('close', () => {
        if (!stopping) stop('parent is gone');
      })
      .on('error', () => undefined)
      .resume();
  }
  process.on('uncaughtException', fail);
  process.on('unhandledRejection', fail);
  await sidecar.start();
  log.info({ node: options.node, sidecar: id }, 'sidecar running');
}

main().catch(fail);

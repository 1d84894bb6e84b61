import { Socket } from 'node:net';
import { userInfo } from 'node:os';

import { ConfigError, createLog, errorText, flushLogs, startTelemetry, systemClock, VERSION } from '#core';
import { actions, sources } from '#plugins';

import { readArguments, type SidecarOptions, USAGE } from './config.ts';
import { sidecarId } from './identity.ts';
import { DEFAULT_POLICY, imagesOf, policyForUp, readPolicy } from './policy.ts';
import { createSidecar } from './sidecar.ts';
import { readSourceConfigs } from './source-configs.ts';

const log = createLog('info');
/** A signal that follows another so soon is its echo. */
const ECHO_MS = 500;

async function fail(error: unknown): Promise<never> {
  log.error({ error: errorText(error) }, 'sidecar failed');
  await flushLogs();
  process.exit(error instanceof ConfigError ? 2 : 1);
}

/** Wrong arguments are told to whoever typed them. */
function readOptions(): SidecarOptions | null {
  try {
    return readArguments(process.argv.slice(2), process.env);
  } catch (error) {
    process.stderr.write(`error: ${errorText(error)}\n`);
    return process.exit(2);
  }
}

async function main(options: SidecarOptions | null): Promise<void> {
  if (options === null) {
    process.stdout.write(USAGE);
    return;
  }
  const up =
    options.upHooks === undefined
      ? DEFAULT_POLICY
      : policyForUp({
          hooksDirectory: options.upHooks,
          user: userInfo().username,
          images: imagesOf(options.upImages),
        });
  const policy = options.policy === undefined ? up : await readPolicy(options.policy);
  const sourceConfigs = options.sources === undefined ? undefined : await readSourceConfigs(options.sources, sources);
  const telemetry = await startTelemetry('trotline-sidecar', process.env);
  const id = await sidecarId(options.data);
  const sidecar = createSidecar({
    options,
    sidecarId: id,
    version: VERSION,
    policy,
    sources,
    sourceConfigs,
    actions,
    clock: systemClock,
    log,
  });

  let stopping: Promise<void> | null = null;
  let stoppedAt = 0;
  const stop = (reason: string): void => {
    // A service manager that signals all of a group, and a launcher that passes it on, say the same twice.
    if (stopping && performance.now() - stoppedAt < ECHO_MS) return;
    if (stopping) process.exit(1);
    stoppedAt = performance.now();
    const { active, waiting } = sidecar.hooks.load;
    log.info({ reason, active, waiting }, 'draining');
    stopping = sidecar
      .stop(AbortSignal.timeout(options.drainMs))
      .then(() => telemetry.stop())
      .then(() => log.info({ waiting: sidecar.journal.pending().length }, 'stopped'))
      .then(() => flushLogs())
      .then(() => process.exit(0))
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
  process.on('uncaughtException', (error) => void fail(error));
  process.on('unhandledRejection', (error) => void fail(error));
  if (options.verdicts !== 'enforce') log.warn({ verdicts: options.verdicts }, 'agents are not told what hooks say');
  await sidecar.start();
  log.info({ node: options.node, sidecar: id }, 'sidecar running');
}

main(readOptions()).catch(fail);

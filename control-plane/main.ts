/** The control plane's process: argv, env, signals, exit code. */
import { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

import { AppError, createLog, errorText, flushLogs, startTelemetry } from '#core';

import { readArguments, USAGE } from './config.ts';
import { createControlPlane } from './control-plane.ts';

/** Below the grace period of a pod. */
const DRAIN_MS = 10_000;
const LOOK_MS = 50;

async function main(): Promise<void> {
  const config = readArguments(process.argv.slice(2), process.env);
  if (!config) {
    process.stdout.write(USAGE);
    return;
  }
  const log = createLog(config.log);
  const telemetry = await startTelemetry('trotline-control-plane', process.env);
  const onLost = (reason: string): void => stop(`another control plane leads: ${reason}`, 1);
  const { supervisor, sidecars } = createControlPlane({ config, log, env: process.env, onLost });
  /** Sidecars of this machine end with the same parent, and drain into us. */
  const lastSidecar = async (): Promise<void> => {
    const end = performance.now() + DRAIN_MS;
    while (performance.now() < end && sidecars.list().some(({ connected }) => connected)) await pause(LOOK_MS);
  };
  let stopping: Promise<void> | null = null;
  const stop = (why: string, exitCode: number): void => {
    if (stopping) process.exit(1);
    log.info({ why }, 'stopping');
    stopping = supervisor
      .drainAndStop(AbortSignal.timeout(DRAIN_MS))
      .then(() => telemetry.stop())
      .catch((error: unknown) => log.error({ error: errorText(error) }, 'stop failed'))
      .then(() => flushLogs())
      .finally(() => process.exit(exitCode));
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop(signal, 0));
  for (const defect of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(defect, (error: unknown) => {
      log.error({ error: error instanceof Error ? error.stack : String(error) }, defect);
      stop(defect, 1);
    });
  }
  if (process.env.TROTLINE_PARENT_FD !== undefined) {
    // `trotline up` holds the other end: when it is gone, however it ended, so are we.
    const parent = new Socket({ fd: Number(process.env.TROTLINE_PARENT_FD) });
    parent
      .on('close', () => {
        // A signal may have come to all of us before: that stop goes on, it is no second one.
        void lastSidecar().then(() => stopping ?? stop('parent is gone', 0));
      })
      .on('error', () => undefined)
      .resume();
  }
  try {
    await supervisor.start();
  } catch (error) {
    // A stop ends a start; it has its own exit code.
    if (stopping) return;
    throw error;
  }
  log.info({ hooks: config.hooks, data: config.data }, 'control plane started');
}

try {
  await main();
} catch (error) {
  process.stderr.write(`error: ${errorText(error)}\n`);
  await flushLogs();
  process.exit(error instanceof AppError && (error.code === 'USAGE' || error.code === 'CONFIG_INVALID') ? 2 : 1);
}

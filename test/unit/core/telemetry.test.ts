import { context, trace } from '@opentelemetry/api';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { startSpan, startTelemetry, traceparentOf, wantsTraces } from '#core';

import { OtlpReceiver } from '../../kit/otlp-receiver.ts';

const ENDPOINT = 'http://127.0.0.1:4318';

describe('the wish for traces', () => {
  it.each([
    [{}, false],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: '' }, false],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: ENDPOINT }, true],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: ENDPOINT }, true],
    [{ OTEL_TRACES_EXPORTER: 'otlp' }, true],
    [{ OTEL_TRACES_EXPORTER: '' }, false],
    [{ OTEL_TRACES_EXPORTER: 'none', OTEL_EXPORTER_OTLP_ENDPOINT: ENDPOINT }, false],
    [{ OTEL_SDK_DISABLED: 'true', OTEL_EXPORTER_OTLP_ENDPOINT: ENDPOINT }, false],
    [{ OTEL_SDK_DISABLED: 'TRUE', OTEL_TRACES_EXPORTER: 'otlp' }, false],
    [{ OTEL_SDK_DISABLED: 'false', OTEL_EXPORTER_OTLP_ENDPOINT: ENDPOINT }, true],
    [{ OTEL_SERVICE_NAME: 'x', OTEL_TRACES_SAMPLER: 'always_on' }, false],
  ])('in %j is %s', (env, wanted) => {
    expect(wantsTraces(env)).toBe(wanted);
  });
});

describe('telemetry', () => {
  afterEach(() => {
    vi.unstubAllEnvs();
    trace.disable();
    context.disable();
  });

  /** Starts with these variables, in the process's environment too; it is stopped with `use`. */
  async function start(env: Readonly<Record<string, string>>) {
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
    return startTelemetry('unit', env);
  }

  it('is off and free to stop when nobody asks', async () => {
    const telemetry = await startTelemetry('unit', {});
    expect(traceparentOf(startSpan('emit', {}))).toBeUndefined();
    await telemetry.stop();
  });

  it('sends what is left at the end, under the names of the environment', async () => {
    await using receiver = new OtlpReceiver();
    const telemetry = await start({
      OTEL_EXPORTER_OTLP_ENDPOINT: await receiver.start(),
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment=test',
      OTEL_SERVICE_NAME: 'renamed',
      OTEL_BSP_SCHEDULE_DELAY: '60000',
    });
    startSpan('emit', {}).end();
    await telemetry.stop();
    expect(receiver.spans).toMatchObject([{ name: 'emit', service: 'renamed' }]);
  });

  it('uses the given service name otherwise', async () => {
    await using receiver = new OtlpReceiver();
    const telemetry = await start({ OTEL_EXPORTER_OTLP_ENDPOINT: await receiver.start() });
    startSpan('emit', {}).end();
    await telemetry.stop();
    expect(receiver.spans).toMatchObject([{ name: 'emit', service: 'unit' }]);
  });

  const PARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

  it.each([
    ['', '', true, true],
    ['always_on', '', true, true],
    ['always_off', '', false, false],
    ['parentbased_always_on', '', true, true],
    ['parentbased_always_off', '', false, true],
    ['traceidratio', '0', false, false],
    ['traceidratio', '', true, true],
    ['parentbased_traceidratio', '0', false, true],
  ])('samples by %j with %j', async (sampler, argument, root, child) => {
    const telemetry = await start({
      OTEL_EXPORTER_OTLP_ENDPOINT: ENDPOINT,
      OTEL_TRACES_SAMPLER: sampler,
      OTEL_TRACES_SAMPLER_ARG: argument,
    });
    expect(traceparentOf(startSpan('emit', {})) !== undefined).toBe(root);
    expect(traceparentOf(startSpan('emit', {}, PARENT)) !== undefined).toBe(child);
    await telemetry.stop();
  });

  it('speaks gRPC when told', async () => {
    const telemetry = await start({ OTEL_EXPORTER_OTLP_ENDPOINT: ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' });
    expect(traceparentOf(startSpan('emit', {}))).toBeDefined();
    await telemetry.stop();
  });

  it.each([
    ['OTEL_TRACES_EXPORTER', 'zipkin', 'OTEL_TRACES_EXPORTER is "zipkin", expected otlp or none'],
    ['OTEL_EXPORTER_OTLP_PROTOCOL', 'http/json', 'expected http/protobuf or grpc'],
    ['OTEL_TRACES_SAMPLER', 'sometimes', 'expected always_on, always_off, traceidratio or parentbased_'],
    ['OTEL_BSP_MAX_QUEUE_SIZE', 'many', 'OTEL_BSP_MAX_QUEUE_SIZE is "many", expected a number'],
    ['OTEL_BSP_SCHEDULE_DELAY', '-1', 'expected a number from 0'],
  ])('refuses %s=%s', async (name, value, message) => {
    await expect(start({ OTEL_EXPORTER_OTLP_ENDPOINT: ENDPOINT, [name]: value })).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining(message),
    });
  });
});

/** The trace SDK, set up once by a `main.ts` and only when the standard `OTEL_*` variables ask for it. */
import { context, trace } from '@opentelemetry/api';

import { ActiveContext } from './active-context.ts';
import { AppError } from './errors.ts';
import { VERSION } from './version.ts';

export interface Telemetry {
  /** Sends what is left; bounded by the exporter's own timeout. */
  stop(): Promise<void>;
}

type Environment = Readonly<Record<string, string | undefined>>;

const OFF: Telemetry = { stop: () => Promise.resolve() };

/** Whether spans shall leave: an OTLP endpoint or an exporter is named, and nothing turns it off. */
export function wantsTraces(env: Environment): boolean {
  const exporter = env.OTEL_TRACES_EXPORTER ?? '';
  if (env.OTEL_SDK_DISABLED?.toLowerCase() === 'true' || exporter === 'none') return false;
  return [exporter, env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, env.OTEL_EXPORTER_OTLP_ENDPOINT].some(
    (text) => (text ?? '') !== '',
  );
}

/**
 * Registers a provider that exports over OTLP. Loaded on demand: a process that exports nothing does not pay for it.
 *
 * Read here, from `env`: `OTEL_SDK_DISABLED`, `OTEL_TRACES_EXPORTER` (otlp, none), `OTEL_EXPORTER_OTLP_[TRACES_]PROTOCOL`
 * (http/protobuf, the default, or grpc), `OTEL_TRACES_SAMPLER` with `_ARG`, `OTEL_BSP_*`. Read by the SDK's packages, from
 * the process's own environment: `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, and `OTEL_EXPORTER_OTLP_[TRACES_]`
 * `ENDPOINT`, `HEADERS`, `TIMEOUT`, `COMPRESSION`, `CERTIFICATE`, `CLIENT_KEY`, `CLIENT_CERTIFICATE`, `INSECURE` (grpc).
 * Without effect: `OTEL_PROPAGATORS` (always W3C trace context), `OTEL_SPAN_*_LIMIT` (128 attributes, events, links),
 * `OTEL_METRICS_*`, `OTEL_LOGS_*`, `OTEL_CONFIG_FILE`. A value that cannot be used throws USAGE.
 */
export async function startTelemetry(service: string, env: Environment): Promise<Telemetry> {
  if (!wantsTraces(env)) return OFF;
  const wanted = env.OTEL_TRACES_EXPORTER || 'otlp';
  if (wanted !== 'otlp') throw new AppError('USAGE', `OTEL_TRACES_EXPORTER is "${wanted}", expected otlp or none`);
  const { BatchSpanProcessor, TracerProvider } = await import('@opentelemetry/sdk-trace');
  const { defaultResource, detectResources, envDetector, resourceFromAttributes } =
    await import('@opentelemetry/resources');
  const own = resourceFromAttributes({ 'service.name': service, 'service.version': VERSION });
  const provider = new TracerProvider({
    resource: defaultResource()
      .merge(own)
      .merge(detectResources({ detectors: [envDetector] })),
    sampler: await sampler(env),
    spanProcessors: [new BatchSpanProcessor({ exporter: await exporter(env), ...batches(env) })],
  });
  trace.setGlobalTracerProvider(provider);
  context.setGlobalContextManager(new ActiveContext());
  return {
    stop: async () => {
      await provider.shutdown();
      trace.disable();
      context.disable();
    },
  };
}

async function sampler(env: Environment) {
  const { AlwaysOffSampler, AlwaysOnSampler, ParentBasedSampler, TraceIdRatioBasedSampler } =
    await import('@opentelemetry/sdk-trace');
  const roots = {
    always_on: () => new AlwaysOnSampler(),
    always_off: () => new AlwaysOffSampler(),
    traceidratio: () => new TraceIdRatioBasedSampler(number(env, 'OTEL_TRACES_SAMPLER_ARG', 1) ?? 1),
  };
  const wanted = env.OTEL_TRACES_SAMPLER || 'parentbased_always_on';
  for (const [name, root] of Object.entries(roots)) {
    if (wanted === name) return root();
    if (wanted === `parentbased_${name}`) return new ParentBasedSampler({ root: root() });
  }
  const names = Object.keys(roots).join(', ');
  throw new AppError('USAGE', `OTEL_TRACES_SAMPLER is "${wanted}", expected ${names} or parentbased_ with one of them`);
}

function batches(env: Environment) {
  const options = {
    maxQueueSize: number(env, 'OTEL_BSP_MAX_QUEUE_SIZE'),
    maxExportBatchSize: number(env, 'OTEL_BSP_MAX_EXPORT_BATCH_SIZE'),
    scheduledDelayMillis: number(env, 'OTEL_BSP_SCHEDULE_DELAY'),
    exportTimeoutMillis: number(env, 'OTEL_BSP_EXPORT_TIMEOUT'),
  };
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

function number(env: Environment, name: string, maximum = Number.MAX_SAFE_INTEGER): number | undefined {
  const text = env[name]?.trim() ?? '';
  if (text === '') return undefined;
  const value = Number(text);
  if (value >= 0 && value <= maximum) return value;
  throw new AppError('USAGE', `${name} is "${text}", expected a number from 0 to ${maximum}`);
}

async function exporter(env: Environment) {
  const protocol = env.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL || env.OTEL_EXPORTER_OTLP_PROTOCOL || 'http/protobuf';
  switch (protocol) {
    case 'http/protobuf': {
      const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-proto');
      return new OTLPTraceExporter();
    }
    case 'grpc': {
      const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-grpc');
      return new OTLPTraceExporter();
    }
    default:
      throw new AppError('USAGE', `OTEL_EXPORTER_OTLP_PROTOCOL is "${protocol}", expected http/protobuf or grpc`);
  }
}

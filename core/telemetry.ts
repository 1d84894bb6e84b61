/** The trace SDK, set up once by a `main.ts` and only when the standard `OTEL_*` variables ask for it. */
import { trace } from '@opentelemetry/api';

import { AppError } from './errors.ts';
import { VERSION } from './version.ts';

export interface Telemetry {
  /** Sends what is left; bounded by the exporter's own timeout. */
  stop(): Promise<void>;
}

type Environment = Readonly<Record<string, string | undefined>>;

const OFF: Telemetry = { stop: () => Promise.resolve() };

/** Whether spans shall leave: an OTLP endpoint is named and nothing turns it off. */
export function wantsTraces(env: Environment): boolean {
  if (env.OTEL_SDK_DISABLED === 'true' || env.OTEL_TRACES_EXPORTER === 'none') return false;
  return [env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, env.OTEL_EXPORTER_OTLP_ENDPOINT].some(
    (endpoint) => (endpoint ?? '') !== '',
  );
}

/**
 * Registers a provider that exports over OTLP (`OTEL_EXPORTER_OTLP_[TRACES_]PROTOCOL`: http/protobuf, the default, or grpc);
 * endpoint, headers, timeouts, sampler and batch sizes are the standard variables'. Loaded on demand: a process that
 * exports nothing does not pay for it. Throws USAGE for another exporter or protocol.
 */
export async function startTelemetry(service: string, env: Environment): Promise<Telemetry> {
  if (!wantsTraces(env)) return OFF;
  const wanted = env.OTEL_TRACES_EXPORTER ?? 'otlp';
  if (wanted !== 'otlp') throw new AppError('USAGE', `OTEL_TRACES_EXPORTER is "${wanted}", expected otlp or none`);
  const { BatchSpanProcessor, TracerProvider } = await import('@opentelemetry/sdk-trace');
  const { defaultResource, detectResources, envDetector, resourceFromAttributes } =
    await import('@opentelemetry/resources');
  const own = resourceFromAttributes({ 'service.name': service, 'service.version': VERSION });
  const provider = new TracerProvider({
    resource: defaultResource()
      .merge(own)
      .merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [new BatchSpanProcessor({ exporter: await exporter(env) })],
  });
  trace.setGlobalTracerProvider(provider);
  return {
    stop: async () => {
      await provider.shutdown();
      trace.disable();
    },
  };
}

async function exporter(env: Environment) {
  const protocol = env.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL ?? env.OTEL_EXPORTER_OTLP_PROTOCOL ?? 'http/protobuf';
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

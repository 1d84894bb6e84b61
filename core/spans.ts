/** Spans as the host opens them: parented by the event's `traceparent`, no-ops without an SDK. */
import {
  type Attributes as SpanAttributes,
  context,
  type Context,
  ROOT_CONTEXT,
  type Span,
  SpanStatusCode,
  trace,
  TraceFlags,
} from '@opentelemetry/api';

import { errorText } from './errors.ts';
import { TRACER } from './names.ts';

/** W3C trace context; later versions may have more at the end. */
const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** Looked up each time: the SDK may be registered after this module was loaded. */
export function startSpan(name: string, attributes: SpanAttributes, traceparent?: string, startTime?: number): Span {
  const options = { attributes, ...(startTime === undefined ? {} : { startTime }) };
  return trace.getTracer(TRACER).startSpan(name, options, contextOf(traceparent));
}

/** Does the work with the span active: log lines written meanwhile carry its ids. Ends nothing. */
export function withSpan<T>(span: Span, work: () => T): T {
  return context.with(trace.setSpan(context.active(), span), work);
}

/** W3C trace context of a span that is really recorded; undefined otherwise. */
export function traceparentOf(span: Span): string | undefined {
  if (!span.isRecording()) return undefined;
  const { traceId, spanId, traceFlags } = span.spanContext();
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
}

/** Only defects set the status error; expected outcomes are attributes. */
export function endDefect(span: Span, error: unknown): void {
  span.setStatus({ code: SpanStatusCode.ERROR, message: errorText(error) });
  span.end();
}

function contextOf(traceparent: string | undefined): Context {
  const match = TRACEPARENT.exec(traceparent ?? '');
  if (!match) return ROOT_CONTEXT;
  const [, version, traceId = '', spanId = '', flags = '', more] = match;
  if (version === '00' && more !== undefined) return ROOT_CONTEXT;
  const traceFlags = Number.parseInt(flags, 16) & TraceFlags.SAMPLED;
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true });
}

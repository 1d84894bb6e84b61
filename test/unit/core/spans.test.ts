import { SpanStatusCode, trace } from '@opentelemetry/api';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { endDefect, startSpan, traceparentOf } from '#core';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';

describe('spans without an SDK', () => {
  it('have no traceparent', () => {
    const span = startSpan('emit', {});
    expect(traceparentOf(span)).toBeUndefined();
    span.end();
  });
});

describe('spans with an SDK', () => {
  const exporter = new InMemorySpanExporter();
  beforeEach(() => {
    exporter.reset();
    trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }));
  });
  afterEach(() => {
    trace.disable();
  });

  it('are children of the traceparent that an event brings', () => {
    const span = startSpan('emit', { a: 1 }, `00-${TRACE}-${SPAN}-01`, 1_700_000_000_000);
    expect(traceparentOf(span)).toMatch(new RegExp(`^00-${TRACE}-[0-9a-f]{16}-01$`));
    span.end();
    expect(exporter.getFinishedSpans()).toMatchObject([
      { name: 'emit', attributes: { a: 1 }, parentSpanContext: { spanId: SPAN, isRemote: true } },
    ]);
    expect(exporter.getFinishedSpans()[0]?.startTime[0]).toBe(1_700_000_000);
  });

  it('are not recorded below a parent that was not', () => {
    expect(traceparentOf(startSpan('emit', {}, `00-${TRACE}-${SPAN}-00`))).toBeUndefined();
  });

  it.each([
    ['a later version', `cc-${TRACE}-${SPAN}-01-what-the-future-brings`, true],
    ['a later version without more', `01-${TRACE}-${SPAN}-01`, true],
    ['more than version 00 has', `00-${TRACE}-${SPAN}-01-more`, false],
    ['the version that never comes', `ff-${TRACE}-${SPAN}-01`, false],
    ['upper case', `00-${TRACE.toUpperCase()}-${SPAN}-01`, false],
    ['zeros', `00-${'0'.repeat(32)}-${SPAN}-01`, false],
    ['nonsense', 'nonsense', false],
    ['nothing', undefined, false],
  ])('read %s as the specification says', (_, traceparent, child) => {
    const span = startSpan('emit', {}, traceparent);
    expect(span.spanContext().traceId === TRACE).toBe(child);
    expect(span.spanContext().traceId).toMatch(/^(?!0+$)[0-9a-f]{32}$/);
  });

  it('have the status error after a defect only', () => {
    endDefect(startSpan('attempt', {}), new Error('broken'));
    startSpan('attempt', {}).end();
    expect(exporter.getFinishedSpans().map(({ status }) => status)).toEqual([
      { code: SpanStatusCode.ERROR, message: 'broken' },
      { code: SpanStatusCode.UNSET },
    ]);
  });
});

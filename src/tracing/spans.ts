/**
 * Spans, and what goes over the wire of them. Loaded only where an SDK is registered.
 *
 * No attribute and no event holds a payload, a result, a label, a request id, a credential, or the
 * words of a participant or an error: whoever reads traces need not be allowed to read those.
 */
import {
  type Attributes,
  type Context,
  context,
  createTraceState,
  isSpanContextValid,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import type { TraceContext } from '../core/trace-context.ts';
import { quietly } from './tracing.ts';

export type { Context, Span } from '@opentelemetry/api';

export interface SpanOptions {
  readonly name: string;
  readonly kind: 'client' | 'server' | 'internal';
  /** Default: what is active where it is started. */
  readonly parent?: Context;
  readonly attributes: Attributes;
}

const kinds = {
  client: SpanKind.CLIENT,
  server: SpanKind.SERVER,
  internal: SpanKind.INTERNAL,
} as const;

export function startSpan({ name, kind, parent, attributes }: SpanOptions): Span {
  const options = { kind: kinds[kind], attributes };
  return trace.getTracer('verdict').startSpan(name, options, parent ?? context.active());
}

/** With the span as parent of what is started within it, and nothing else. */
export function contextOf(span: Span): Context {
  return trace.setSpan(ROOT_CONTEXT, span);
}

/** Of a sender in another process; without a trace a new one begins. */
export function remoteContext(given: Partial<TraceContext>): Context {
  const remote = spanContextOf(given);
  return remote === null ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, remote);
}

function spanContextOf({ traceparent, tracestate }: Partial<TraceContext>): SpanContext | null {
  if (traceparent === undefined) return null;
  const [, traceId = '', spanId = '', flags = ''] = traceparent.split('-');
  return {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16),
    isRemote: true,
    ...(tracestate === undefined ? {} : { traceState: createTraceState(tracestate) }),
  };
}

/** What a message carries of it; nothing where it is of no trace. */
export function traceFieldsOf(span: Span): Partial<TraceContext> {
  const { traceId, spanId, traceFlags, traceState } = span.spanContext();
  if (!isSpanContextValid(span.spanContext())) return {};
  const traceparent = `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
  const tracestate = traceState?.serialize() ?? '';
  return tracestate === '' ? { traceparent } : { traceparent, tracestate };
}

/** Of what is active here. */
export function activeTrace(): Partial<TraceContext> {
  const span = trace.getActiveSpan();
  return span === undefined ? {} : traceFieldsOf(span);
}

/** Another trace has to do with the same. */
export function link(span: Span, to: TraceContext): void {
  const linked = spanContextOf(to);
  if (linked === null || linked.traceId === span.spanContext().traceId) return;
  span.addLink({ context: linked });
}

/** By its code, never by its text. */
export function fail(span: Span, error: unknown): void {
  const type = typeOf(error);
  span.setAttribute('error.type', type);
  span.setStatus({ code: SpanStatusCode.ERROR, message: type });
}

function typeOf(error: unknown): string {
  if (typeof error === 'string') return error;
  if (!(error instanceof Error)) return '_OTHER';
  const { code } = error as { readonly code?: unknown };
  return typeof code === 'string' && /^[A-Z0-9_]{1,64}$/.test(code) ? code : error.name;
}

/** What `call` starts hangs below the span; other things that are kept with the context stay. */
export function within<Value>(span: Span, call: () => Value): Value {
  return context.with(trace.setSpan(context.active(), span), call);
}

/** The same for a span of another process. */
export function withinTrace<Value>(given: Partial<TraceContext>, call: () => Value): Value {
  return context.with(ownContext(given), call);
}

/**
 * Calls within a span of its own, below what a message carried. `returned` looks at what came back.
 * What is active here may be of another transaction, whose end made room for this one: of it all
 * but its span is kept.
 */
export function callInSpan<Value>(
  options: Omit<SpanOptions, 'parent'> & { readonly trace: Partial<TraceContext> },
  call: () => Promise<Value>,
  returned: (value: Value) => Attributes,
): Promise<Value> {
  const parent = ownContext(options.trace);
  const span = quietly(() => startSpan({ ...options, parent }));
  if (span === undefined) return call();
  const called = context.with(trace.setSpan(parent, span), call);
  called.then(
    (value) =>
      quietly(() => {
        span.setAttributes(returned(value));
        span.end();
      }),
    (error: unknown) =>
      quietly(() => {
        fail(span, error);
        span.end();
      }),
  );
  return called;
}

function ownContext(given: Partial<TraceContext>): Context {
  const remote = spanContextOf(given);
  const active = context.active();
  return remote === null ? trace.deleteSpan(active) : trace.setSpanContext(active, remote);
}

/** An application's own OpenTelemetry SDK, as small as it goes: ended spans are handed on. */
import { SpanKind, SpanStatusCode } from '@opentelemetry/api';
import {
  NodeTracerProvider,
  type ReadableSpan,
  type Sampler,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-node';

/** What the tests look at, as plain data. */
export interface SeenSpan {
  readonly process: string;
  readonly name: string;
  readonly kind: string;
  readonly trace: string;
  readonly id: string;
  readonly parent: string | null;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly events: readonly { readonly name: string; readonly attributes?: object }[];
  readonly links: readonly string[];
  readonly failed: boolean;
}

export interface Recorder {
  /** Behind it no SDK is registered. */
  stop(): Promise<void>;
}

export function record(options: {
  readonly process: string;
  readonly ended: (span: SeenSpan) => void;
  readonly sampler?: Sampler;
}): Recorder {
  const { process, ended, sampler } = options;
  const provider = new NodeTracerProvider({
    ...(sampler === undefined ? {} : { sampler }),
    spanProcessors: [
      new SimpleSpanProcessor({
        export: (spans, done) => {
          for (const span of spans) ended(seen(process, span));
          done({ code: 0 });
        },
        shutdown: () => Promise.resolve(),
      }),
    ],
  });
  provider.register();
  return { stop: () => provider.shutdown() };
}

function seen(process: string, span: ReadableSpan): SeenSpan {
  const { name, kind, attributes, events, links, status, parentSpanContext } = span;
  const { traceId, spanId } = span.spanContext();
  return {
    process,
    name,
    kind: SpanKind[kind] ?? '',
    trace: traceId,
    id: spanId,
    parent: parentSpanContext?.spanId ?? null,
    attributes,
    events: events.map((event) => ({ name: event.name, attributes: event.attributes ?? {} })),
    links: links.map(({ context }) => context.traceId),
    failed: status.code === SpanStatusCode.ERROR,
  };
}

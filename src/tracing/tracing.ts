/**
 * Whether anyone wants spans. The application brings its own OpenTelemetry SDK; where it brings
 * none, nothing of OpenTelemetry is loaded here, and asking costs one look at a global.
 */
import type * as Spans from './spans.ts';

export type { Context, Span } from './spans.ts';

export type Tracing = typeof Spans;

/** Where every copy of the API, of whatever 1.x, finds what was registered. */
const registry = Symbol.for('opentelemetry.js.api.1');

let loaded: Tracing | null = null;
let loading: Promise<void> | null = null;

function isRegistered(): boolean {
  // biome-ignore lint/style/noRestrictedGlobals: a global whose name is a symbol
  const globals = globalThis as { [registry]?: { readonly trace?: unknown } };
  return globals[registry]?.trace !== undefined;
}

/** Null: no SDK is registered, or one only just was. */
export function tracing(): Tracing | null {
  if (!isRegistered()) return null;
  if (loaded === null) void loadTracing();
  return loaded;
}

/** Where an SDK is registered: `tracing` has it from then on. Never fails. */
export function loadTracing(): Promise<void> {
  if (!isRegistered()) return Promise.resolve();
  loading ??= import('./spans.ts').then(
    (spans) => {
      loaded = spans;
    },
    () => undefined,
  );
  return loading;
}

/**
 * What an SDK throws, in a processor or sampler of the application's, must touch no transaction:
 * undefined then.
 */
export function quietly<Value>(act: () => Value): Value | undefined {
  try {
    return act();
  } catch {
    return undefined;
  }
}

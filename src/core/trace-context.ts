/**
 * The trace that a transaction belongs to, as data (W3C Trace Context): handed on, and kept in the
 * decision record, but never looked at to decide anything. src/tracing makes spans of it.
 */

/** The fields of messages and calls that carry it. */
export interface TraceContext {
  /** In W3C form: `00-` trace id `-` span id `-` flags. */
  readonly traceparent: string;
  /** What vendors add to it; at most `maxTracestateBytes`. */
  readonly tracestate?: string;
}

export const maxTracestateBytes = 512;

const form = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/;
const formLength = 55;
const maxLength = 256;

/**
 * Cut to the form that this version knows, as the specification has it of later ones; null where it
 * is none.
 */
export function knownTraceparent(text: string): string | null {
  if (text.length > maxLength) return null;
  const parts = form.exec(text);
  if (parts === null) return null;
  const [, version, traceId = '', spanId = '', flags] = parts;
  if (version === 'ff' || (version === '00' && text.length !== formLength)) return null;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return null;
  return version === '00' ? text : `00-${traceId}-${spanId}-${flags}`;
}

/** Visible characters and blanks: it may stand in a header. */
export function isTracestate(text: string): boolean {
  return text.length <= maxTracestateBytes && /^[\x20-\x7e]+$/.test(text);
}

/** Whether who began the trace records it. */
export function isSampled(traceparent: string): boolean {
  return (Number.parseInt(traceparent.slice(-2), 16) & 1) === 1;
}

/** Of a message; null where it carries none. */
export function traceOf(message: Partial<TraceContext>): TraceContext | null {
  const { traceparent, tracestate } = message;
  if (traceparent === undefined) return null;
  return tracestate === undefined ? { traceparent } : { traceparent, tracestate };
}

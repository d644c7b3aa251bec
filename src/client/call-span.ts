/** The span of a client's call, or of the transaction that several calls are about. */
import type { TraceContext } from '../core/trace-context.ts';
import { quietly, type Span, type Tracing, tracing } from '../tracing/tracing.ts';
import type { Route } from './cluster.ts';
import type { TransactionOutcome } from './types.ts';

export class CallSpan {
  /** What its messages carry. */
  readonly trace: Partial<TraceContext>;
  readonly #tracing: Tracing;
  readonly #span: Span;
  #attempts = 0;

  constructor(tracing: Tracing, span: Span) {
    this.#tracing = tracing;
    this.#span = span;
    this.trace = tracing.traceFieldsOf(span);
  }

  is(attributes: Readonly<Record<string, string | number>>): void {
    quietly(() => this.#span.setAttributes(attributes));
  }

  /** It is sent, perhaps not for the first time. */
  sent({ leader }: Route): void {
    this.#attempts += 1;
    const attributes = { 'verdict.attempt': this.#attempts, 'verdict.node': leader.node };
    quietly(() => this.#span.addEvent('verdict.sent', attributes));
  }

  /** What `call` starts hangs below it. */
  within<Value>(call: () => Value): Value {
    return this.#tracing.within(this.#span, call);
  }

  /** An abort is an outcome like another. */
  end(outcome: TransactionOutcome<unknown>): void {
    const { txid } = outcome;
    this.is({ 'verdict.txid': txid, 'verdict.outcome': outcome.outcome });
    if (outcome.outcome === 'aborted') {
      const { code, participant } = outcome.reason;
      this.is({ 'verdict.abort.code': code });
      if (participant !== undefined) this.is({ 'verdict.abort.participant': participant });
    }
    this.#end();
  }

  fail(error: unknown): void {
    const { txid } = (error ?? {}) as { readonly txid?: unknown };
    if (typeof txid === 'string') this.is({ 'verdict.txid': txid });
    quietly(() => this.#tracing.fail(this.#span, error));
    this.#end();
  }

  #end(): void {
    if (this.#attempts > 0) this.is({ 'verdict.attempts': this.#attempts });
    quietly(() => this.#span.end());
  }
}

/** Null: no one wants it. */
export function startCallSpan(
  name: string,
  attributes: Readonly<Record<string, string | number>> = {},
): CallSpan | null {
  const spans = tracing();
  if (spans === null) return null;
  const span = quietly(() => spans.startSpan({ name, kind: 'client', attributes }));
  return span === undefined ? null : new CallSpan(spans, span);
}

/** Ends it with what comes of the call. */
export async function ending<Outcome extends TransactionOutcome<unknown>>(
  span: CallSpan | null,
  call: () => Promise<Outcome>,
): Promise<Outcome> {
  if (span === null) return call();
  try {
    const outcome = await call();
    span.end(outcome);
    return outcome;
  } catch (error) {
    span.fail(error);
    throw error;
  }
}

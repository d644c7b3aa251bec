/**
 * What a transaction tells of itself where it belongs to a trace: effects for whoever makes spans.
 * One that belongs to none tells nothing.
 */
import type { DecisionRecord } from '../records.ts';
import { isSampled, knownTraceparent, type TraceContext, traceOf } from '../trace-context.ts';
import { outcomeOf, type Transaction } from '../transaction.ts';
import type { Txid } from '../txid.ts';
import { weightOf } from '../weight.ts';
import type { TraceEvent } from './events.ts';
import type { TermState } from './state.ts';

export function beginTrace(
  state: TermState,
  { txid }: Transaction,
  message: Partial<TraceContext>,
): void {
  const trace = traceOf(message);
  if (trace === null) return;
  state.traces.set(txid, trace);
  tell(state, txid, { type: 'begun' });
}

/** By a message that is not its first: the trace of its caller, where it has none yet. */
export function joinTrace(
  state: TermState,
  { txid }: Transaction,
  message: Partial<TraceContext>,
): void {
  const trace = traceOf(message);
  if (trace === null) return;
  // The rest of it is not counted to anyone's share.
  if (!state.traces.has(txid)) state.traces.set(txid, { traceparent: trace.traceparent });
  tell(state, txid, { type: 'joined', trace });
}

/** It goes on in the trace that the leader before had. */
export function resumeTrace(
  { traces }: TermState,
  { txid, traceparent }: Pick<DecisionRecord, 'txid' | 'traceparent'>,
): void {
  // Whatever may have written it there: nothing depends on it.
  const known = traceparent === undefined ? null : knownTraceparent(traceparent);
  if (known !== null) traces.set(txid, { traceparent: known });
}

/** For a message about it. */
export function traceIn({ traces }: TermState, { txid }: Transaction): TraceContext | undefined {
  return traces.size === 0 ? undefined : traces.get(txid);
}

export function tellDecided(state: TermState, transaction: Transaction): void {
  if (traceIn(state, transaction) === undefined) return;
  const { txid, reason, readonly, branches } = transaction;
  const isCommitted = outcomeOf(transaction.state) === 'committed';
  tell(state, txid, {
    type: 'decided',
    outcome: isCommitted ? 'committed' : 'aborted',
    branches: branches.size,
    readonly,
    ...(reason === null ? {} : { code: reason.code }),
  });
}

export function tellSettled(state: TermState, transaction: Transaction): void {
  if (traceIn(state, transaction) === undefined) return;
  state.traces.delete(transaction.txid);
  tell(state, transaction.txid, { type: 'settled' });
}

function tell({ outbox }: TermState, txid: Txid, event: TraceEvent): void {
  outbox.push({ type: 'trace', txid, event });
}

/** What it counts while the transaction is in memory. */
export function traceBytes(message: Partial<TraceContext>): number {
  const trace = traceOf(message);
  return trace === null ? 0 : weightOf(trace);
}

/** Its name and its value, encoded, with room to spare. */
const recordedBytes = 80;

/**
 * What a record keeps: of a trace that someone records, and where there is room. A transaction must
 * not fail for being traced, so it is left out rather than counted.
 */
export function recordedTrace(
  state: TermState,
  transaction: Transaction,
): { readonly traceparent?: string } {
  const trace = traceIn(state, transaction);
  if (trace === undefined || !isSampled(trace.traceparent)) return {};
  const { maxRecordBytes } = state.config.options;
  if (transaction.recordBytes + recordedBytes > maxRecordBytes) return {};
  return { traceparent: trace.traceparent };
}

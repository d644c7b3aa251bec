/**
 * Doubts about what earlier leaderships left, while a new one still reads `decisions/`.
 *
 * After an outage a hundred thousand may be in doubt at once. Read one by one they would hold up
 * the very reading that answers all of them. So they wait for its end, and are looked for in memory
 * again, and only then in the log.
 *
 * Not judged by memory alone, however long they waited (!): a record may have moved to finished/
 * under an earlier leadership, or have ended here while the rest was read. And not by how far the
 * reading has come: what it passed over may be in finished/ too.
 *
 * A client's question never waits: there are few, and it may be all that the client waits for.
 */
import type { Txid } from '../../txid.ts';
import { type Sender, senderOf } from '../events.ts';
import type { Asked } from '../questions.ts';
import type { TermState } from '../state.ts';

type Doubt = Asked<'decision' | 'in-doubt' | 'report-kept'>;

/** Of one connection: a participant asks 256 at once, and reports a page. */
const maxWaiting = 1_000;
const retryAfterMs = 500;
const linesOfStep = 250;

export class WaitingDoubts {
  /** By connection, in the order in which they came. */
  readonly byConnection: Map<number, Doubt[]> = new Map();
}

/** Reads the log for it, unless that is just being read as a whole. */
export function readDoubt(state: TermState, doubt: Doubt, txids: readonly Txid[]): void {
  const from = askerOf(doubt);
  const { scans, complete, waiting } = state.recovery;
  const reading = scans > 0 && !complete && !state.lost;
  const waits = reading && !(doubt.type === 'decision' && !doubt.inDoubt);
  if (!waits) {
    state.read(txids, doubt, from);
    return;
  }
  const others = waiting.byConnection.get(from.connection) ?? [];
  if (others.length >= maxWaiting) {
    refuse(state, doubt, 'BUSY', { retryAfterMs });
    return;
  }
  others.push(doubt);
  waiting.byConnection.set(from.connection, others);
}

/**
 * The reading is over, or has failed: some of them, each connection's in its turn, so that no step
 * takes long. `hasWaiting`: there are more.
 */
export function takeWaiting({ recovery }: TermState): Doubt[] {
  const { byConnection } = recovery.waiting;
  const taken: Doubt[] = [];
  for (let left = linesOfStep; left > 0; ) {
    const [next] = byConnection;
    if (next === undefined) break;
    const [connection, doubts] = next;
    const doubt = doubts.shift();
    byConnection.delete(connection);
    if (doubt === undefined) continue;
    if (doubts.length > 0) byConnection.set(connection, doubts);
    left -= doubt.type === 'decision' ? 1 : doubt.txids.length;
    taken.push(doubt);
  }
  return taken;
}

export function hasWaiting({ recovery }: TermState): boolean {
  return recovery.waiting.byConnection.size > 0;
}

export function waitingDoubts({ recovery }: TermState): number {
  let count = 0;
  for (const doubts of recovery.waiting.byConnection.values()) count += doubts.length;
  return count;
}

/** The leadership is over: the successor is asked. */
export function failWaiting(state: TermState): void {
  const { byConnection } = state.recovery.waiting;
  for (const doubt of [...byConnection.values()].flat()) refuse(state, doubt, 'NOT_LEADER', {});
  byConnection.clear();
}

/** A late vote has no answer: its sender asks. A report has one piece here at a time. */
function refuse(
  state: TermState,
  doubt: Doubt,
  code: 'BUSY' | 'NOT_LEADER',
  more: { readonly retryAfterMs?: number },
): void {
  if (doubt.type === 'decision') {
    state.fail(senderOf(doubt.from, doubt.id), code, { ...more, txid: doubt.txid });
  } else if (doubt.report !== null) {
    state.fail(senderOf(doubt.report.from, doubt.report.id), code, more);
  }
}

export function askerLost({ recovery }: TermState, connection: number): void {
  recovery.waiting.byConnection.delete(connection);
}

function askerOf(doubt: Doubt): Sender {
  return doubt.type === 'report-kept' ? doubt.report.from : doubt.from;
}

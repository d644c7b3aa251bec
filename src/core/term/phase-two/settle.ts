/** Letting go of a transaction: its record moves to finished/, then participants may forget it. */
import { move, type Transaction } from '../../transaction.ts';
import type { Txid } from '../../txid.ts';
import { listEnded } from '../listing/listing.ts';
import { releaseLocks } from '../locks/locks.ts';
import { letGo } from '../requests/requests.ts';
import type { TermState } from '../state.ts';

/** Every branch is settled: the transaction leaves the leader's memory for the recent ones. */
export function settle(state: TermState, transaction: Transaction): void {
  move(transaction, 'settled');
  state.transactions.delete(transaction.txid);
  releaseLocks(state, transaction);
  state.endedDuringScan?.add(transaction.txid);
  listEnded(state, transaction);
  if (transaction.inDecisions) {
    // Forgetting comes after the record has moved: were it the other way round, a new leader would
    // find the record, send the commit again, and be told that no one knows the branch.
    state.phaseTwo.finishing.set(transaction.txid, transaction);
    state.outbox.push({ type: 'finish', txid: transaction.txid });
  } else {
    letGo(state, transaction);
    forget(state, [transaction]);
  }
}

/** Their records have moved. */
export function finished(state: TermState, txids: readonly Txid[]): void {
  const { finishing } = state.phaseTwo;
  const done: Transaction[] = [];
  for (const txid of txids) {
    const transaction = finishing.get(txid);
    if (transaction === undefined) continue;
    finishing.delete(txid);
    state.endedDuringScan?.add(txid);
    letGo(state, transaction);
    done.push(transaction);
  }
  forget(state, done);
}

/** Tells participants that they may forget what they keep of these transactions. */
function forget(state: TermState, transactions: readonly Transaction[]): void {
  const byConnection = new Map<number, Transaction['txid'][]>();
  for (const transaction of transactions) {
    for (const branch of transaction.branches.values()) {
      if (branch.state !== 'committed' && branch.state !== 'readonly') continue;
      const peer = state.connected.routeForget(branch);
      // Not connected: its report on return gets the answer.
      if (peer === null) continue;
      const txids = byConnection.get(peer.connection);
      if (txids === undefined) byConnection.set(peer.connection, [transaction.txid]);
      else if (txids.at(-1) !== transaction.txid) txids.push(transaction.txid);
    }
  }
  for (const [connection, txids] of byConnection) state.send(connection, { type: 'forget', txids });
}

/** `verdict exec` against a node: transactions over the participants connected to it. */
import type { Client } from '../../client/client.ts';
import type { Transaction } from '../../client/transaction.ts';
import type { TransactionOutcome } from '../../client/types.ts';
import { refusal } from '../../peer/verdict-error.ts';
import type { DecidedOutcome, ExecTarget } from './exec.ts';

export function liveTarget(client: Client): ExecTarget {
  const begun = new Map<string, Transaction>();
  const find = (txid: string): Transaction => {
    const transaction = begun.get(txid);
    if (transaction !== undefined) return transaction;
    const text = 'That transaction was not begun in this run: only its status can be asked.';
    throw refusal('UNKNOWN_TRANSACTION', text);
  };
  return {
    begin: async (timeoutMs) => {
      const transaction = await client.begin(timeoutMs === null ? {} : { timeoutMs });
      begun.set(transaction.txid, transaction);
      return transaction.txid;
    },
    register: async (txid, { participant, simulation, payload }) => {
      if (simulation !== null) {
        throw new TypeError(
          'vote=, delay= and failures are for simulated participants: leave --url out, or them.',
        );
      }
      await find(txid).enlist({ participant, ...(payload === undefined ? {} : { payload }) });
    },
    commit: async (txid) => decidedOf(await find(txid).commit()),
    rollback: async (txid, reason) => decidedOf(await find(txid).rollback(reason ?? undefined)),
    status: async (txid) => (await begun.get(txid)?.status()) ?? client.status(txid),
    close: async () => {
      for (const transaction of begun.values()) await transaction[Symbol.asyncDispose]();
      await client.close();
    },
  };
}

function decidedOf(outcome: TransactionOutcome<Record<string, unknown>>): DecidedOutcome {
  return outcome.outcome === 'committed'
    ? { outcome: 'committed', results: outcome.results }
    : { outcome: 'aborted', reason: outcome.reason };
}

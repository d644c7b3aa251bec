/**
 * Holds I12 against what a term does: by what was asked, granted and recorded, counted here on its
 * own account, and by the term's own listing of holders after each step.
 */
import type { LockMode } from '../../../src/core/locks/modes.ts';
import type { FromNode, LockInfo } from '../../../src/core/messages.ts';
import type { DecisionRecord, DecisionWrite } from '../../../src/core/records.ts';
import type { TermRequest } from '../../../src/core/term/events.ts';
import { type Epoch, epochOf, type Txid } from '../../../src/core/txid.ts';
import { compatible } from '../../simulation/check/compatible.ts';
import { check } from './tally.ts';

export class LockChecker {
  readonly #epoch: Epoch;
  /** What was granted to it, or what it asked for before it may run. */
  readonly #granted = new Map<Txid, Map<string, LockMode>>();
  /** By decision records. */
  readonly #recorded = new Map<Txid, DecisionRecord>();
  used = false;

  constructor(epoch: Epoch) {
    this.#epoch = epoch;
  }

  sent(message: FromNode, asked: TermRequest | undefined): void {
    if (message.type === 'locked' && asked?.type === 'lock') {
      for (const key of asked.keys) this.#note(message.txid, key, asked.mode);
    } else if (message.type === 'begun' && asked?.type === 'transact') {
      for (const { keys, mode = 'exclusive' } of asked.locks ?? []) {
        for (const key of keys) this.#note(message.txid, key, mode);
      }
    }
  }

  decides({ record }: DecisionWrite): void {
    const { txid, locks } = record;
    if (record.branches.length === 0) return;
    for (const [key, mode] of this.#granted.get(txid) ?? []) {
      const kept =
        locks?.exclusive.includes(key) || (mode === 'shared' && locks?.shared.includes(key));
      check(kept === true, `I12: ${txid} is recorded without its lock ${key}`);
    }
    this.#recorded.set(txid, record);
  }

  scanned(record: DecisionRecord): void {
    if (record.locks === undefined) return;
    this.used = true;
    if (!this.#recorded.has(record.txid)) this.#recorded.set(record.txid, record);
  }

  /** `owes`: whether the transaction is written and some branch has not acknowledged. */
  holds(listing: readonly LockInfo[], owes: (txid: Txid) => boolean): void {
    for (const { key, holders } of listing) {
      for (const [at, one] of holders.entries()) {
        for (const other of holders.slice(at + 1)) {
          // Those that the log brought are all decided: nothing keeps them apart any more.
          const old = epochOf(one.txid) !== this.#epoch && epochOf(other.txid) !== this.#epoch;
          check(
            old || compatible(one.mode, other.mode),
            `I12: ${key} is held by ${one.txid} and ${other.txid}`,
          );
        }
      }
    }
    for (const [txid, { locks }] of this.#recorded) {
      if (locks === undefined || !owes(txid)) continue;
      for (const key of [...locks.exclusive, ...locks.shared]) {
        const held = listing
          .find((lock) => lock.group === locks.group && lock.key === key)
          ?.holders.some((holder) => holder.txid === txid);
        check(held === true, `I12: ${txid} let go of ${key} before every branch was done`);
      }
    }
  }

  #note(txid: Txid, key: string, mode: LockMode): void {
    this.used = true;
    let granted = this.#granted.get(txid);
    if (granted === undefined) {
      granted = new Map();
      this.#granted.set(txid, granted);
    }
    if (granted.get(key) !== 'exclusive') granted.set(key, mode);
  }
}

/** What an object in this process must offer to take part in transactions. */
import { isName, nameText } from '../core/names.ts';
import type { Txid } from '../core/txid.ts';
import { maxNameBytes } from '../wire/limits.ts';

/** What `prepare` gets beside the transaction's id. */
export interface PrepareContext {
  /** Fires when the vote no longer matters: rolled back, or its time is over. End soon. */
  readonly signal: AbortSignal;
  /** Until the transaction's own time-out, from when the prepare was called. */
  readonly timeoutMs: number;
}

/**
 * An object of this process that takes part in transactions.
 *
 * Once `prepare` has returned true, both commit and rollback must be possible whatever happens, a
 * crash included where the log is durable. `commit` and `rollback` may be called more than once for
 * one transaction, and must then change nothing; `rollback` also comes where `prepare` was never
 * called, or did not end well. For one transaction no two of them ever run at once; those of
 * different transactions do.
 */
export interface EmbeddedParticipant {
  /**
   * Names the resource behind the object, the same after every restart: what the log knows it by. 1
   * to 128 bytes without control characters.
   */
  readonly name: string;
  /**
   * true: the vote to commit, a promise that survives a crash. false: the vote to abort; nothing is
   * held, and neither commit nor rollback follows. A throw, or anything else, is a vote to abort
   * too, and rollback follows, for no one knows how far it came.
   */
  prepare(txid: Txid, context: PrepareContext): Promise<boolean> | boolean;
  /** Only after `prepare` returned true. true: done, durably. Else: not done, and called again. */
  commit(txid: Txid): Promise<boolean> | boolean;
  /** true: nothing is held any more. Anything else: not done yet, and called again. */
  rollback(txid: Txid): Promise<boolean> | boolean;
  /**
   * Every transaction that the resource holds prepared. Asked in `recover`, and when the leadership
   * begins anew: those that have no decision are rolled back, the others get the one they have.
   */
  inDoubt?(): Promise<Iterable<string>> | Iterable<string>;
}

/** Throws TypeError where the object cannot take part. */
export function checkParticipant(given: unknown): asserts given is EmbeddedParticipant {
  const participant = given as Partial<Record<string, unknown>> | null | undefined;
  if (typeof participant !== 'object' || participant === null) {
    throw new TypeError('A participant must be an object with name, prepare, commit and rollback.');
  }
  if (typeof participant['name'] !== 'string') {
    throw new TypeError(
      'A participant needs a `name`: a string that stays the same over restarts, for the log knows it by that.',
    );
  }
  if (!isName(participant['name'], maxNameBytes)) {
    throw new TypeError(`The name of a participant must be ${nameText(maxNameBytes)}.`);
  }
  for (const method of ['prepare', 'commit', 'rollback']) {
    if (typeof participant[method] !== 'function') {
      throw new TypeError(`Participant ${participant['name']} has no method ${method}.`);
    }
  }
  if (participant['inDoubt'] !== undefined && typeof participant['inDoubt'] !== 'function') {
    throw new TypeError(`inDoubt of participant ${participant['name']} must be a method.`);
  }
}

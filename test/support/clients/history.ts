/**
 * Clients that note every call they make and how it ended, for the checker to hold against the
 * stores.
 */
import { randomUUID } from 'node:crypto';
import type { Client, TransactionOutcome } from '../../../src/client.ts';
import type { LockedKeys } from '../../../src/core/messages.ts';
import type { Txid } from '../../../src/core/txid.ts';
import { isVerdictError } from '../../../src/peer/verdict-error.ts';
import type { Script } from '../participants/participant-process.ts';
import { pause } from '../process/child.ts';

/** Branch by branch what the participants are told to do. */
export type Plan = Readonly<Record<string, Script>>;

export interface RecordedCall {
  readonly tag: string;
  readonly plan: Plan;
  readonly requestId: string | null;
  readonly txid: Txid | null;
  /**
   * `ok`: committed. `fail`: aborted. `info`: no one can say. `refused`: it certainly was not run
   * by this call; why is in `code`.
   */
  readonly ended: 'ok' | 'fail' | 'info' | 'refused';
  readonly code: string | null;
  /** Whether whoever called was told that a retry helps. */
  readonly retryable: boolean;
  readonly tookMs?: number;
}

/**
 * Named locks: a one-shot takes them at once, an interactive transaction one by one, in this order.
 */
export interface Locking {
  readonly lockGroup: string;
  readonly locks: readonly LockedKeys[];
  readonly lockWaitMs?: number;
}

export interface TransactMore {
  readonly locking?: Locking | undefined;
  readonly requestId?: string;
  readonly attempt?: number;
  readonly requestAgeMs?: number;
  readonly timeoutMs?: number;
  readonly callTimeoutMs?: number;
  /** Again, by the client, after aborts that can pass. */
  readonly retry?: boolean;
  /** The tag of an earlier call, where this is the same request again. */
  readonly tag?: string;
}

const lost: ReadonlySet<string> = new Set(['UNKNOWN_TRANSACTION', 'DEADLOCK', 'LOCK_TIMEOUT']);

export class History {
  readonly calls: RecordedCall[] = [];

  async transact(client: Client, plan: Plan, more: TransactMore = {}): Promise<RecordedCall> {
    const tag = more.tag ?? randomUUID();
    const branches = Object.entries(plan).map(([participant, script]) => ({
      participant,
      payload: { ...script, tag },
    }));
    const { requestId, attempt, requestAgeMs, timeoutMs, callTimeoutMs, retry } = more;
    return this.#record({ tag, plan, requestId: requestId ?? null, txid: null }, () =>
      client.transact(
        {
          branches,
          ...(requestId === undefined ? {} : { requestId }),
          ...(attempt === undefined ? {} : { attempt }),
          ...(requestAgeMs === undefined ? {} : { requestAgeMs }),
          ...more.locking,
          timeoutMs,
        },
        { timeoutMs: callTimeoutMs ?? 20_000, ...(retry === undefined ? {} : { retry }) },
      ),
    );
  }

  /** begin, enlist each, commit (or roll back). */
  async interactive(
    client: Client,
    plan: Plan,
    more: {
      readonly rollback?: boolean;
      readonly locking?: Locking | undefined;
      /** After each lock. */
      readonly thinkMs?: number;
    } = {},
  ): Promise<RecordedCall> {
    const tag = randomUUID();
    const known: { txid: Txid | null } = { txid: null };
    return this.#record({ tag, plan, requestId: null, txid: () => known.txid }, async () => {
      const call = { timeoutMs: 20_000 };
      const { lockGroup, locks = [], lockWaitMs } = more.locking ?? {};
      const transaction = await client.begin({ lockGroup }, call);
      known.txid = transaction.txid;
      try {
        for (const { keys, mode } of locks) {
          await transaction.lock(keys, { mode, waitMs: lockWaitMs, ...call });
          await pause(more.thinkMs ?? 0);
        }
        for (const [participant, script] of Object.entries(plan)) {
          await transaction.enlist({ participant, payload: { ...script, tag } }, call);
        }
      } catch (error) {
        // Its leader is gone, and the transaction with it; or it could not have a lock.
        if (isVerdictError(error) && lost.has(error.code)) {
          return transaction.rollback('lost', call);
        }
        throw error;
      }
      return more.rollback === true
        ? transaction.rollback('as planned', call)
        : transaction.commit(call);
    });
  }

  async #record(
    call: Pick<RecordedCall, 'tag' | 'plan' | 'requestId'> & {
      readonly txid: null | (() => Txid | null);
    },
    run: () => Promise<TransactionOutcome<unknown>>,
  ): Promise<RecordedCall> {
    const startMs = performance.now();
    const recorded = await this.#ended(run, call.txid ?? (() => null));
    const tookMs = performance.now() - startMs;
    const whole: RecordedCall = { ...call, ...recorded, tookMs };
    this.calls.push(whole);
    return whole;
  }

  async #ended(
    run: () => Promise<TransactionOutcome<unknown>>,
    txidOf: () => Txid | null,
  ): Promise<Pick<RecordedCall, 'txid' | 'ended' | 'code' | 'retryable'>> {
    try {
      const outcome = await run();
      if (outcome.outcome === 'committed') {
        return { txid: outcome.txid, ended: 'ok', code: null, retryable: false };
      }
      const { code, retryable } = outcome.reason;
      return { txid: outcome.txid, ended: 'fail', code, retryable };
    } catch (error) {
      if (!isVerdictError(error)) throw error;
      const txid = error.txid ?? txidOf();
      const { code, retryable, acted } = error;
      return { txid, ended: acted === 'nothing' ? 'refused' : 'info', code, retryable };
    }
  }
}

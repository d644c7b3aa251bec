/** The session of one branch, whatever the database: when it ends, and that it is let go once. */
import type { Timer } from '../../ports/clock.ts';
import type { PrepareCall } from '../../ports/resource.ts';
import { pause } from '../../system/pause.ts';
import type { Statement, StatementResult } from './guarded-sql.ts';
import type { SqlSettings } from './sql.ts';
import { doneWithin } from './waiting.ts';

export type SessionCall = Pick<PrepareCall<unknown>, 'signal' | 'timeoutMs' | 'instance'>;

export interface SessionLimits {
  /** For a lock. */
  readonly waitMs: number;
  /** The server's own, behind the SDK's: for when this process or its connection is gone. */
  readonly serverMs: number;
}

/**
 * - `locked`: it only read, and that may hold locks which a prepare would not keep
 * - `guards`: it only read, and has locked something for it; a prepare keeps that
 */
export type SessionUse = 'read' | 'locked' | 'guards' | 'wrote';

const serverGraceMs = 5_000;
/** So long the driver has to hear that its session was ended. */
const heardMs = 1_000;

export abstract class BranchSession<Context extends SqlSettings = SqlSettings> {
  protected readonly context: Context;
  protected readonly call: SessionCall;
  /** The connection broke: the server will prepare nothing on it that was not asked for before. */
  lost = false;
  /** It was ended for having held its locks for too long. */
  isLate = false;
  /** Resolves when the server was told to end the session; null where it was not. */
  protected ending: Promise<void> | null = null;
  #over = false;
  #lostBy: unknown = null;
  #limit: Timer | null = null;

  constructor(context: Context, call: SessionCall) {
    this.context = context;
    this.call = call;
  }

  /** Rejects where the branch is prepared already, or is just being. */
  async begin(): Promise<this> {
    const { clock, lockWaitMs, lockLimitMs } = this.context;
    const { signal, timeoutMs } = this.call;
    try {
      signal.throwIfAborted();
      // Before it begins (!): swallowed then, no answer would come, and no one else ends the wait.
      this.#limit = clock.setTimer(lockLimitMs, () => {
        this.isLate = true;
        this.#interrupt();
      });
      signal.addEventListener('abort', this.#interrupt, { once: true });
      await this.beginBranch({
        waitMs: timeoutMs > 0 ? Math.min(lockWaitMs, timeoutMs) : lockWaitMs,
        serverMs: timeoutMs > 0 ? Math.min(timeoutMs + serverGraceMs, lockLimitMs) : lockLimitMs,
      });
      // Nothing is under way on it: the server lets it go with its connection.
      if (this.ending !== null)
        throw signal.reason ?? new Error('The branch took too long to begin.');
    } catch (error) {
      await this.destroy();
      throw error;
    }
    return this;
  }

  protected abstract beginBranch(limits: SessionLimits): Promise<void>;
  /** Rejects with `TransactionEndedError` where the branch's transaction is not what it was. */
  abstract query(statement: Statement): Promise<StatementResult>;
  /** Resolves when the branch is durably prepared. Rejects where it may or may not be. */
  abstract prepareBranch(): Promise<void>;
  /**
   * Prepared as by `prepareBranch`, and commit or rollback will come here first: a database where a
   * prepared branch is its session's keeps the session.
   */
  prepareToEndHere(): Promise<void> {
    return this.prepareBranch();
  }
  /** Ends what `prepareToEndHere` left. False: this session cannot; it is to be ended elsewhere. */
  endHere(_decision: 'commit' | 'abort'): Promise<boolean> {
    return Promise.resolve(false);
  }
  /** One phase: no other database writes. Rejects where it may or may not have committed. */
  abstract commitBranch(): Promise<void>;
  /** What was done but for its own row, as far as can be seen. */
  abstract use(): Promise<SessionUse>;
  /** Nothing is held afterwards; rejects where that is uncertain. `readAll`: checks its reads. */
  abstract abandon(how: { readonly readAll: boolean }): Promise<void>;
  /** The session ends, without waiting for what it is at. */
  abstract destroy(): Promise<void>;
  /** On another connection. */
  protected abstract endAtServer(): Promise<void>;
  /** What waits for an answer on this connection rejects. */
  protected abstract drop(): Promise<void> | void;

  /** `error`: the server's word of why it ends the session, where it had one. */
  protected readonly setLost = (error?: unknown): void => {
    this.lost = true;
    this.#lostBy ??= error ?? null;
  };

  /** What the connection was lost by: of all that comes after, a driver says only that it was. */
  protected firstCause(error: unknown): unknown {
    return this.#lostBy ?? error;
  }

  /** The connection is no longer its own. */
  protected get isOver(): boolean {
    return this.#over;
  }

  /** True the first time: the connection is to be let go. */
  protected finish(): boolean {
    if (this.#over) return false;
    this.#over = true;
    this.unwatch();
    return true;
  }

  /** Of one that is over, or stays until others are: its limit and signal end it no more. */
  unwatch(): void {
    this.#limit?.cancel();
    this.call.signal.removeEventListener('abort', this.#interrupt);
  }

  /** Ends the session: a late cancellation of a statement would hit the next branch on it. */
  readonly #interrupt = (): void => {
    if (this.ending !== null) return;
    const { clock } = this.context;
    this.ending = this.endAtServer().catch(ignore);
    // On a swallowed connection no one hears of it: the wait for an answer would last forever.
    void doneWithin(clock, this.ending, heardMs)
      .then(() => pause(clock, heardMs))
      .then(() => (this.#over ? undefined : this.drop()))
      .catch(ignore);
  };
}

/** Of what else a library gave with a statement: what changes how rows are read. */
export function picked(
  more: Readonly<Record<string, unknown>>,
  names: readonly string[],
): Record<string, unknown> {
  return Object.fromEntries(
    names.map((name) => [name, more[name]]).filter(([, value]) => value !== undefined),
  );
}

function ignore(): void {}

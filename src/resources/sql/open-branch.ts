/**
 * A branch whose statements come as an application goes, rather than in one call of `prepare`:
 *
 *     unused -> open -> ended work -> prepared            -> committed or rolled back
 *                 |         |-------> committed in one phase
 *                 |         |-------> read only, let go
 *                 +---------+-------> given up
 *
 * Its session is taken with the first statement, so a database that a run does not use costs
 * nothing.
 */
import type { PrepareCall } from '../../ports/resource.ts';
import type { BranchSession, SessionUse } from './branch-session.ts';
import { GuardedSql } from './guarded-sql.ts';
import type { Refusal } from './refusal.ts';
import { type BranchDatabase, givenUp, refusalIn } from './run-branch.ts';
import { Turns } from './turns.ts';

export type BranchUse = 'unused' | SessionUse;

export class OpenBranch {
  readonly sql: GuardedSql;
  readonly #database: BranchDatabase;
  #opening: Promise<BranchSession> | null = null;
  #session: BranchSession | null = null;
  /** Why it did not begin. */
  #beginError: { readonly error: unknown } | null = null;
  #ending = false;

  constructor(database: BranchDatabase, call: Pick<PrepareCall<unknown>, 'timeoutMs'>) {
    this.#database = database;
    this.sql = new GuardedSql(async (statement) => (await this.#begun()).query(statement), {
      turns: new Turns(database.settings.clock, call.timeoutMs),
      library: database.library,
    });
  }

  #begun(): Promise<BranchSession> {
    this.#opening ??= this.#begin();
    return this.#opening;
  }

  async #begin(): Promise<BranchSession> {
    try {
      this.#session = await (await this.#database.open()).begin();
      return this.#session;
    } catch (error) {
      this.#beginError = { error };
      throw error;
    }
  }

  /** No more statements; rejects where one was not awaited, or has ended the transaction. */
  async endWork(): Promise<BranchUse> {
    await this.sql.end();
    this.#ending = true;
    return this.#session === null ? 'unused' : this.#session.use();
  }

  /** It stays as it is, whatever becomes of the run, until `giveUp`. */
  keep(): void {
    this.#session?.unwatch();
  }

  /** Durably prepared when it resolves. Rejects where it may or may not be. */
  prepare(): Promise<void> {
    return this.#taken().prepareToEndHere();
  }

  /** Of what was prepared. False: the resource is to do it. */
  async endPrepared(decision: 'commit' | 'abort'): Promise<boolean> {
    return this.#taken().endHere(decision);
  }

  /** Without prepare: nothing else was written anywhere. Rejects where it may have committed. */
  commitAlone(): Promise<void> {
    return this.#taken().commitBranch();
  }

  /** Of a branch that only read. Rejects where its reads do not count. */
  async endRead(): Promise<void> {
    await this.#session?.abandon({ readAll: true });
  }

  /** Nothing of it stays, now or when its session has ended. Never rejects. */
  async giveUp(): Promise<void> {
    this.sql.stop();
    await this.#opening?.catch(() => undefined);
    if (this.#session === null) return;
    await givenUp(this.#session, this.#database.settings.clock).catch(() => undefined);
  }

  /** What the error means where it is of this database; null: it is not, or it would come again. */
  refusalOf(error: unknown): Refusal | null {
    const { sql } = this;
    const { refusalOf, refusalOfBegin, settings } = this.#database;
    if (this.#beginError !== null && this.#beginError.error === error) return refusalOfBegin(error);
    const session = this.#session;
    if (session === null) return null;
    const { lockLimitMs } = settings;
    return refusalIn({ sql, session, error, ending: this.#ending, lockLimitMs, refusalOf });
  }

  #taken(): BranchSession {
    if (this.#session === null) throw new Error('The branch has not begun.');
    return this.#session;
  }
}

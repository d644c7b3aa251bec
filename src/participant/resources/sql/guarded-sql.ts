/** The `sql` that a service gets: refuses what would end the transaction, and everything once the branch has moved on. */
import type { Sql, SqlResult } from './sql.ts';

/** Words that a statement may not begin with: the transaction is Verdict's to begin and to end. */
const refused =
  /^\s*(begin|start\s+transaction|commit|end|abort|rollback(?!\s+(work\s+)?(to|transaction\s+to)\b)|prepare\s+transaction|xa|set\s+autocommit)\b/i;

export class GuardedSql implements Sql {
  readonly #run: (text: string, values: readonly unknown[]) => Promise<SqlResult<unknown>>;
  #ended = false;

  constructor(run: (text: string, values: readonly unknown[]) => Promise<SqlResult<unknown>>) {
    this.#run = run;
  }

  async query<Row>(text: string, values: readonly unknown[] = []): Promise<SqlResult<Row>> {
    if (this.#ended) {
      throw new Error(
        'The branch has been voted on: await every query before prepare returns, and keep no sql for later.',
      );
    }
    if (refused.test(text)) {
      throw new Error(
        'A branch neither begins nor ends its transaction: return vote.commit() or vote.abort(...) instead.',
      );
    }
    return (await this.#run(text, values)) as SqlResult<Row>;
  }

  end(): void {
    this.#ended = true;
  }
}

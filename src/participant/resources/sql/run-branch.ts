/** One prepare, whatever the database: the service's SQL on a session of its own, then the branch is prepared or given up. */
import type { VoteReason } from '../../../core/messages.ts';
import type { PrepareCall, PrepareResult } from '../../../ports/resource.ts';
import { vote } from '../../vote.ts';
import {
  GuardedSql,
  type Statement,
  type StatementResult,
  TransactionEndedError,
} from './guarded-sql.ts';
import type { PrepareSql } from './sql.ts';

export interface BranchSession {
  /** Rejects with `TransactionEndedError` where the branch's transaction is not what it was. */
  query(statement: Statement): Promise<StatementResult>;
  /** Resolves when the branch is durably prepared. Rejects where it may or may not be. */
  prepareBranch(): Promise<void>;
  /** Nothing is held afterwards; rejects where that is not certain. `readAll`: it only read, and wants that checked. */
  abandon(how: { readonly readAll: boolean }): Promise<void>;
}

export async function runBranch<Payload, Result>(
  session: BranchSession,
  service: {
    readonly prepare: PrepareSql<Payload, Result>;
    /** What a failed statement votes; null for a failure that is no contention between transactions. */
    readonly refusalOf: (error: unknown) => VoteReason | null;
  },
  call: PrepareCall<Payload>,
): Promise<PrepareResult<Result>> {
  const { signal } = call;
  const sql = new GuardedSql((statement) => session.query(statement));
  try {
    const result = await service.prepare(sql, call);
    await sql.end();
    if (result?.vote === 'commit') await session.prepareBranch();
    else await session.abandon({ readAll: result?.vote === 'readonly' });
    return result;
  } catch (thrown) {
    const error = sql.stop() ?? thrown;
    // What the database refused for contention is a vote, once nothing is held; anything else is the SDK's to roll back.
    const own = !signal.aborted && !(error instanceof TransactionEndedError);
    const refusal = own ? service.refusalOf(error) : null;
    if (refusal === null) {
      await session.abandon({ readAll: false }).catch(() => undefined);
      throw signal.aborted ? signal.reason : error;
    }
    await session.abandon({ readAll: false });
    return { vote: 'abort', reason: refusal };
  }
}

export function nameTooLong(database: string, branch: string): PrepareResult<never> {
  return vote.abort(
    `The branch's name is too long for ${database} together with the participant's: ${branch}`,
  );
}

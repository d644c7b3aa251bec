/** One prepare: the service's SQL on a session of its own, and then PREPARE TRANSACTION. */
import type { PrepareCall, PrepareResult } from '../../ports/resource.ts';
import { nameTooLong, runBranch } from '../sql/run-branch.ts';
import type { PrepareSql } from '../sql/sql.ts';
import { gidOf, type PostgresqlContext } from './context.ts';
import { refusals } from './error-codes.ts';
import { PostgresqlSession } from './session.ts';

export async function prepareBranch<Payload, Result>(
  context: PostgresqlContext,
  prepare: PrepareSql<Payload, Result>,
  call: PrepareCall<Payload>,
): Promise<PrepareResult<Result>> {
  const gid = gidOf(context.name, call);
  if (gid === null) return nameTooLong('PostgreSQL', call.branch);
  const database = {
    clock: context.clock,
    againForMs: context.lockWaitMs,
    lockLimitMs: context.lockLimitMs,
    begin: () => PostgresqlSession.begin(context, gid, call),
    ...refusals,
  };
  return runBranch(database, prepare, call);
}

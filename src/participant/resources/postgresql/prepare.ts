/** One prepare: the service's SQL on a session of its own, and then PREPARE TRANSACTION. */
import type { PrepareCall, PrepareResult } from '../../../ports/resource.ts';
import { vote } from '../../vote.ts';
import { GuardedSql } from '../sql/guarded-sql.ts';
import type { PrepareSql } from '../sql/sql.ts';
import { gidOf, type PostgresqlContext } from './context.ts';
import { refusalOf } from './errors.ts';
import { Session } from './session.ts';

export async function prepareBranch<Payload, Result>(
  context: PostgresqlContext,
  prepare: PrepareSql<Payload, Result>,
  call: PrepareCall<Payload>,
): Promise<PrepareResult<Result>> {
  const gid = gidOf(context.name, call);
  if (gid === null) {
    return vote.abort(
      `The branch's name is too long for PostgreSQL together with the participant's: ${call.branch}`,
    );
  }
  const session = await Session.begin(context, gid, call);
  const sql = new GuardedSql((text, values) => session.query(text, values));
  try {
    const result = await prepare(sql, call);
    sql.end();
    if (result.vote === 'commit') await session.prepareTransaction();
    else await session.abandon({ readAll: result.vote === 'readonly' });
    return result;
  } catch (error) {
    sql.end();
    return await failed(session, call, error);
  }
}

/** What PostgreSQL refused for contention is a vote, once nothing is held; anything else is the SDK's to roll back. */
async function failed(
  session: Session,
  { signal }: PrepareCall<unknown>,
  error: unknown,
): Promise<PrepareResult<never>> {
  const refusal = signal.aborted ? null : refusalOf(error);
  if (refusal === null) {
    await session.abandon().catch(() => undefined);
    throw signal.aborted ? signal.reason : error;
  }
  await session.abandon();
  return { vote: 'abort', reason: refusal };
}

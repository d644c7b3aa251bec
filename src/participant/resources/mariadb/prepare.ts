/** One prepare: the service's SQL on a session of its own, and then XA PREPARE. */
import type { PrepareCall, PrepareResult } from '../../../ports/resource.ts';
import { vote } from '../../vote.ts';
import { GuardedSql } from '../sql/guarded-sql.ts';
import type { PrepareSql } from '../sql/sql.ts';
import type { MariadbContext } from './context.ts';
import { refusalOf } from './errors.ts';
import { Session } from './session.ts';
import { xidOf } from './xid.ts';

export async function prepareBranch<Payload, Result>(
  context: MariadbContext,
  prepare: PrepareSql<Payload, Result>,
  call: PrepareCall<Payload>,
): Promise<PrepareResult<Result>> {
  const xid = xidOf(context.name, call);
  if (xid === null) {
    return vote.abort(
      `The branch's name is too long for MariaDB together with the participant's: ${call.branch}`,
    );
  }
  const slot = await context.slots.take(call.signal);
  if (slot === null) {
    call.signal.throwIfAborted();
    return vote.abort('No session for another branch was free in time. Retry.', {
      retryable: true,
    });
  }
  const session = await Session.begin(context, xid, slot, call);
  const sql = new GuardedSql((text, values) => session.query(text, values));
  try {
    const result = await prepare(sql, call);
    sql.end();
    if (result.vote === 'commit') await session.prepareBranch();
    else await session.abandon();
    return result;
  } catch (error) {
    sql.end();
    return await failed(session, call, error);
  }
}

/** What the database refused for contention is a vote, once nothing is held; anything else is the SDK's to roll back. */
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

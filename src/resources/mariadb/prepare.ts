/** One prepare: the service's SQL on a session of its own, and then XA PREPARE. */
import type { PrepareCall, PrepareResult } from '../../ports/resource.ts';
import { nameTooLong, runBranch } from '../sql/run-branch.ts';
import type { PrepareSql } from '../sql/sql.ts';
import type { MariadbContext } from './context.ts';
import { refusals } from './error-numbers.ts';
import { MariadbSession } from './session.ts';
import { xidOf } from './xid.ts';

export async function prepareBranch<Payload, Result>(
  context: MariadbContext,
  prepare: PrepareSql<Payload, Result>,
  call: PrepareCall<Payload>,
): Promise<PrepareResult<Result>> {
  const xid = xidOf(context.name, call);
  if (xid === null) return nameTooLong('MariaDB', call.branch);
  const begin = async (): Promise<MariadbSession> => {
    const slot = await context.slots.take(call.signal);
    if (slot === null) throw new Error('no session for another branch was free in time');
    return MariadbSession.begin(context, xid, slot, call);
  };
  const { clock, lockWaitMs: againForMs, lockLimitMs } = context;
  return runBranch({ clock, againForMs, lockLimitMs, begin, ...refusals }, prepare, call);
}

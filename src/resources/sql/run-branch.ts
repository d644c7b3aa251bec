/**
 * One prepare, whatever the database: the service's SQL on a session of its own, then the branch is
 * prepared or given up. What the vote says where the database would not:
 *
 *     before it is to be prepared    nothing is prepared, nor ever will be: a vote, as soon as
 *                                    the session is given up, or shows that it will take its time
 *     as it is being prepared        an answer of the server's is as good; where the connection is
 *                                    gone it may be prepared: a failure, and the SDK rolls back
 *
 * A branch that lost to another (a serialization failure, a deadlock) is run again on a new
 * snapshot: the other is mostly decided, and commits behind its client's answer. So `prepare` may
 * run several times for a vote, each as if the first, until `lockWaitMs` after the start.
 */
import type { VoteReason } from '../../core/messages.ts';
import { PrepareFailure } from '../../participant/prepare-failure.ts';
import { checkedVote } from '../../participant/vote.ts';
import type { Clock } from '../../ports/clock.ts';
import type { PrepareCall, PrepareResult } from '../../ports/resource.ts';
import { pause } from '../../system/pause.ts';
import type { BranchSession } from './branch-session.ts';
import { GuardedSql, type LibraryDatabase, TransactionEndedError } from './guarded-sql.ts';
import { BranchTakenError, type Refusal, type Refusals, refusedWith } from './refusal.ts';
import type { PrepareSql, SqlSettings } from './sql.ts';
import { Turns } from './turns.ts';
import { doneWithin } from './waiting.ts';

export interface BranchDatabase extends Refusals {
  readonly settings: SqlSettings;
  readonly open: () => Promise<BranchSession>;
  readonly library: LibraryDatabase;
}

/** So long a vote waits for the session to be given up. */
const abandonWaitMs = 250;
const maxPauseMs = 100;

export async function runBranch<Payload, Result>(
  database: BranchDatabase,
  prepare: PrepareSql<Payload, Result>,
  call: PrepareCall<Payload>,
): Promise<PrepareResult<Result>> {
  const { clock, lockWaitMs } = database.settings;
  const untilMs = clock.monotonicMs() + lockWaitMs;
  let again: VoteReason | null = null;
  for (let pauseMs = 0; ; pauseMs = Math.min(maxPauseMs, 2 * pauseMs + 1)) {
    const isLast = (): boolean => clock.monotonicMs() + pauseMs >= untilMs;
    try {
      const outcome = await tryOnce(database, prepare, call);
      if ('vote' in outcome) return outcome;
      ({ again } = outcome);
      if (isLast()) return abortOf(again);
    } catch (error) {
      // The session of the try before may be just ending, on the server.
      if (again === null || !(error instanceof BranchTakenError) || isLast()) throw error;
    }
    if (pauseMs > 0) await pause(clock, pauseMs);
    call.signal.throwIfAborted();
  }
}

async function tryOnce<Payload, Result>(
  { settings, open, library, refusalOf, refusalOfBegin }: BranchDatabase,
  prepare: PrepareSql<Payload, Result>,
  call: PrepareCall<Payload>,
): Promise<PrepareResult<Result> | { readonly again: VoteReason }> {
  const { signal } = call;
  const { clock, lockLimitMs } = settings;
  let session: BranchSession;
  try {
    session = await (await open()).begin();
  } catch (error) {
    signal.throwIfAborted();
    const refusal = refusalOfBegin(error);
    if (refusal === null) throw error;
    return abortOf(refusal.reason);
  }
  const sql = new GuardedSql((statement) => session.query(statement), {
    turns: new Turns(clock, call.timeoutMs),
    library,
  });
  const giveUp = () => givenUp(session, clock);
  let ending = false;
  let preparing = false;
  try {
    const result = checkedVote(await prepare(sql, call));
    await sql.end();
    ending = true;
    if (result.vote === 'commit') {
      preparing = true;
      await session.prepareBranch();
    } else if (result.vote === 'readonly') await session.abandon({ readAll: true });
    else await giveUp();
    return result;
  } catch (thrown) {
    const error = sql.stop() ?? thrown;
    await giveUp();
    signal.throwIfAborted();
    const refusal = refusalIn({ sql, session, error, ending, lockLimitMs, refusalOf });
    if (refusal === null) throw error;
    if (preparing && refusal.lost === true)
      throw new PrepareFailure(refusal.reason, { cause: error });
    return refusal.again === true ? { again: refusal.reason } : abortOf(refusal.reason);
  }
}

/** Resolves soon, even where the session does not answer. */
export async function givenUp(session: BranchSession, clock: Clock): Promise<void> {
  const abandoned = session.abandon({ readAll: false });
  if (!(await doneWithin(clock, abandoned, abandonWaitMs))) void session.destroy();
}

/** What an error of a branch means; null: it is the service's own. */
export function refusalIn(given: {
  readonly sql: GuardedSql;
  readonly session: BranchSession;
  readonly error: unknown;
  /** The service has returned. */
  readonly ending: boolean;
  readonly lockLimitMs: number;
  readonly refusalOf: Refusals['refusalOf'];
}): Refusal | null {
  const { sql, session, error, ending, lockLimitMs, refusalOf } = given;
  if (session.isLate) return late(lockLimitMs);
  // What the service threw of its own, whatever code that has, is no word of the database's.
  const databases = ending || session.lost || sql.isFailure(error);
  if (!databases || error instanceof TransactionEndedError) return null;
  return refusalOf(error, session.lost) ?? lostBefore(refusalOf(sql.failedBefore, false));
}

/** Where the database undid the branch for another, its savepoints are gone as well. */
function lostBefore(refusal: Refusal | null): Refusal | null {
  return refusal?.again === true ? refusal : null;
}

function late(lockLimitMs: number): Refusal {
  const message = `The branch had held its locks for ${lockLimitMs} ms and not voted, and was given up. Retry; where prepare needs longer, raise lockLimitMs of the resource.`;
  return refusedWith('RESOURCE_UNAVAILABLE', message, { lost: true });
}

function abortOf(reason: VoteReason): PrepareResult<never> {
  return { vote: 'abort', reason };
}

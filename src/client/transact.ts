/**
 * One-shot transactions.
 *
 * With a requestId the log itself prevents a second commit, so the request may be sent again
 * whenever an answer is missing. Without one nothing does: what may have been received is never
 * sent again, and its outcome is asked for instead.
 */
import { defined } from '../core/defined.ts';
import { defaultLockGroup } from '../core/locks/names.ts';
import type { Epoch, Txid } from '../core/txid.ts';
import { checkRequest } from '../peer/checked.ts';
import { checkPayloads } from '../peer/payloads.ts';
import { isVerdictError, refusal } from '../peer/verdict-error.ts';
import { ageMs, type Mark, mark } from '../system/age.ts';
import { type Call, endingWithin } from './call.ts';
import type { CallSpan } from './call-span.ts';
import {
  type Cluster,
  isRefusedForNow,
  mayBeSentAgain,
  type Route,
  requestOptions,
} from './cluster.ts';
import { followUp, outcomeOf, unknownOutcome } from './outcome.ts';
import { Retries } from './retry.ts';
import type {
  TransactionOutcome,
  TransactOptions,
  TransactOutcome,
  TransactRequest,
} from './types.ts';

export async function transact<Results>(
  cluster: Cluster,
  request: TransactRequest,
  {
    call,
    retry,
    span,
  }: {
    readonly call: Call;
    readonly retry: TransactOptions['retry'];
    readonly span: CallSpan | null;
  },
): Promise<TransactOutcome<Results>> {
  const { requestId, attempt } = request;
  checkRequest({ type: 'transact', ...contentOf(request), ...defined({ requestId, attempt }) });
  checkPayloads(
    request.branches.map(({ payload }) => payload),
    (index) => `branches[${index}].payload`,
    { maxDepth: cluster.maxDepth(), above: 3 },
  );
  const { maxAttempts = 10, ...delays } = retry === true ? {} : retry || { maxAttempts: 1 };
  const retries = new Retries(cluster, call, { ...delays, maxAttempts, of: 'retry.' });
  const means = { call, retries, span, patient: maxAttempts > 1 };
  const refused = cluster.windows.refusal({ branches: request.branches, ...means });
  if (refused !== null) throw refused;
  return requestId === undefined
    ? transactUnnamed(cluster, request, means)
    : transactAgain(cluster, { ...request, requestId }, means);
}

interface Means {
  readonly call: Call;
  readonly retries: Retries;
  readonly span: CallSpan | null;
  /** With `retry`: it rather waits than fails. */
  readonly patient: boolean;
}

async function transactAgain<Results>(
  cluster: Cluster,
  request: TransactRequest & { readonly requestId: string },
  { call, retries, span, patient }: Means,
): Promise<TransactOutcome<Results>> {
  const { requestId } = request;
  const content = contentOf(request);
  const ageMsBefore = request.requestAgeMs ?? 0;
  let attempt = request.attempt ?? 1;
  // What was sent before this call ages while the call waits for a leader, and while the machine
  // sleeps meanwhile; else nothing was sent yet.
  let firstSent: Mark | null = request.requestAgeMs === undefined ? null : mark(cluster.clock);
  let lastEpoch: Epoch | null = null;
  /** A request of this call may have had an effect. */
  let unknown: unknown = null;
  const shard = cluster.shardFor({ requestId, lockGroup: lockGroupOf(request) });
  const send = async () => {
    const route = await cluster.leader(shard, call);
    mustKnowLocks(route, request);
    const { epoch } = route.leader;
    // An attempt belongs to one epoch: an older leader's "aborted" must not settle a newer one's.
    if (lastEpoch !== null && lastEpoch !== epoch) attempt += 1;
    lastEpoch = epoch;
    firstSent ??= mark(cluster.clock);
    const requestAgeMs = Math.ceil(ageMsBefore + ageMs(cluster.clock, firstSent));
    span?.sent(route);
    const reply = await route.link.request(
      {
        type: 'transact',
        ...content,
        ...span?.trace,
        requestId,
        requestAgeMs,
        attempt,
        epoch,
      },
      requestOptions(route, call),
    );
    const windowMs = route.link.welcome?.requestWindowMs ?? Number.POSITIVE_INFINITY;
    return { reply, leftMs: windowMs - requestAgeMs };
  };
  try {
    for (let failures = 1; ; failures += 1) {
      try {
        // What may have begun does not wait its turn: its outcome may be there already.
        const { reply, leftMs } = await (unknown === null
          ? cluster.windows.inTurn({ branches: request.branches, call, patient }, send)
          : send());
        const told = outcomeOf<Results>(reply);
        const outcome = {
          ...told,
          // Where an answer is missing it may be this call's own: the leader changed meanwhile.
          ...(told.outcome === 'committed' &&
            told.results === null &&
            unknown === null && { repeated: true as const }),
          attempt: reply.repeats ?? attempt,
        };
        // Final for this attempt and all below it, whatever had become of their answers.
        if (outcome.outcome === 'aborted') unknown = null;
        if (!(await retries.afterOutcome(outcome, leftMs))) return outcome;
        attempt = outcome.attempt + 1;
      } catch (error) {
        const committed = committedBefore<Results>(error);
        if (committed !== null) {
          return { ...committed, ...(unknown === null && { repeated: true as const }), attempt };
        }
        if (isVerdictError(error) && error.acted === 'unknown') unknown ??= error;
        if (!mayBeSentAgain(error)) throw error;
        await cluster.recover({ error, failures, call });
      }
    }
  } catch (error) {
    if (unknown === null) throw error;
    const txid = isVerdictError(unknown) ? unknown.txid : undefined;
    throw unknownOutcome({ error, txid, requestId, after: unknown });
  }
}

/** None of this call's attempts was answered, so that the one that committed is its outcome. */
function committedBefore<Results>(error: unknown): TransactionOutcome<Results> | null {
  if (!isVerdictError(error) || error.code !== 'ALREADY_COMMITTED') return null;
  const { txid } = error;
  return txid === undefined ? null : { outcome: 'committed', txid, readonly: false, results: null };
}

async function transactUnnamed<Results>(
  cluster: Cluster,
  request: TransactRequest,
  means: Means,
): Promise<TransactOutcome<Results>> {
  for (;;) {
    const outcome = await transactOnce<Results>(cluster, request, means);
    if (!(await means.retries.afterOutcome(outcome))) return outcome;
  }
}

async function transactOnce<Results>(
  cluster: Cluster,
  request: TransactRequest,
  { call, span, patient }: Means,
): Promise<TransactOutcome<Results>> {
  const attempt = 1;
  const content = contentOf(request);
  let txid: Txid | undefined;
  let share: string | undefined;
  try {
    const reply = await cluster.insist({
      shard: () => cluster.shardFor({ lockGroup: lockGroupOf(request) }),
      call,
      turn: { branches: request.branches, patient },
      // Where there is a txid the transaction has begun, whatever the error says.
      again: (error) =>
        isRefusedForNow(error) && mayBeSentAgain(error) && (txid ?? error.txid) === undefined,
      send: (route) => {
        mustKnowLocks(route, request);
        span?.sent(route);
        const { epoch } = route.leader;
        return route.link.request(
          {
            type: 'transact',
            // With an id it would go on, and be found again; this one is lost to its caller.
            ...endingWithin(call, content),
            ...span?.trace,
            epoch,
            announce: true,
          },
          {
            ...requestOptions(route, call),
            onBegun: (begun) => {
              ({ txid, share } = begun);
            },
          },
        );
      },
    });
    return { ...outcomeOf<Results>(reply), attempt };
  } catch (error) {
    if (!isVerdictError(error)) throw error;
    txid ??= error.txid;
    if (error.acted === 'nothing' && txid === undefined) throw error;
    if (txid === undefined || call.over() !== null) throw unknownOutcome({ error, txid });
    const outcome = await followUp<Results>(cluster, { txid, share, call, after: error });
    return { ...outcome, attempt };
  }
}

/** The same each time it is sent: under another group a request id is another request. */
function lockGroupOf({ lockGroup, locks }: TransactRequest): string | undefined {
  return lockGroup ?? ((locks ?? []).length > 0 ? defaultLockGroup : undefined);
}

/** A node older than locks ignores the field, and would run the transaction without them. */
function mustKnowLocks({ link, leader }: Route, { locks }: TransactRequest): void {
  if ((locks ?? []).length === 0 || link.welcome?.limits.maxLocks !== undefined) return;
  const text = `${leader.node} knows no locks, and would run the transaction without them. Upgrade every node first.`;
  throw refusal('UNSUPPORTED_VERSION', text);
}

function contentOf(request: TransactRequest) {
  const { timeoutMs, labels, locks, lockWaitMs, lockGroup, branches } = request;
  return { ...defined({ timeoutMs, labels, locks, lockWaitMs, lockGroup }), branches };
}

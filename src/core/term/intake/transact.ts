/** A one-shot: branches, locks and the commit in one request. */
import { uphold } from '../../invariants.ts';
import { defaultLockGroup } from '../../locks/names.ts';
import type { LockWant } from '../../locks/table.ts';
import type { Transact, TransactBranch } from '../../messages.ts';
import type { NewTransaction, Transaction } from '../../transaction.ts';
import { weightOf } from '../../weight.ts';
import { type Refusal, type Sender, senderOf } from '../events.ts';
import { overload } from '../flow/flow.ts';
import { beyondLimits, countLocks, wantsOf } from '../locks/locks.ts';
import { lockAndFreeze } from '../phase-one/phase-one.ts';
import {
  beyondBranches,
  branchBytes,
  emptyRecordBytes,
  heldBranchBytes,
  lockBytes,
  transactionBytes,
  wait,
} from '../requests/requests.ts';
import type { TermState } from '../state.ts';
import { traceBytes } from '../traced.ts';
import { joinOrRun } from './attempts.ts';
import { addBranch, admits, create, noteBegin, sendBegun, timeoutOf } from './begin.ts';

export function transact(
  state: TermState,
  from: Sender,
  message: Transact,
  requestHash: string | null,
): void {
  const to = senderOf(from, message.id);
  const { branches, locks = [], requestId, announce = false } = message;
  if (message.epoch !== undefined && message.epoch !== state.config.epoch) {
    state.fail(to, 'NOT_LEADER', { leader: state.config.leader });
    return;
  }
  const lockGroup = message.lockGroup ?? (locks.length > 0 ? defaultLockGroup : null);
  const wants = lockGroup === null ? [] : wantsOf(lockGroup, locks);
  const refusal = branchProblem(branches) ?? limitProblem(state, from, message, wants);
  if (refusal !== null) {
    state.fail(to, refusal.code, refusal);
    return;
  }
  const run = (request: NewTransaction['request']): Transaction | null => {
    const bytes =
      transactionBytes + weightOf(message.labels) + traceBytes(message) + lockBytes(wants);
    const payloads = branches.map(({ payload }) => weightOf(payload ?? null));
    const all = payloads.reduce((sum, each) => sum + each + heldBranchBytes, bytes);
    if (!admits(state, to, { origin: from.origin, bytes: all })) return null;
    const tooMuch = overload(state, branches, timeoutOf(state, message));
    if (tooMuch !== null) {
      state.fail(to, tooMuch.code, tooMuch);
      return null;
    }
    const asked = wants.length === 0 ? null : { wants, waitMs: message.lockWaitMs };
    const transaction = create(state, from, message, { bytes, request, lockGroup, asked });
    for (const [index, branch] of branches.entries()) {
      addBranch(state, transaction, branch, { owner: null, payloadBytes: payloads[index] ?? 0 });
    }
    countLocks(state, transaction, wants.length);
    noteBegin(state, transaction);
    if (announce) sendBegun(state, to, transaction);
    wait(state, transaction, { ...to, type: 'outcome' });
    return transaction;
  };
  if (requestId === undefined) {
    const transaction = run(null);
    if (transaction !== null) lockAndFreeze(state, transaction);
    return;
  }
  // Without it a second commit under the id could not be told from the first.
  uphold(requestHash !== null, 'I8', () => `request ${requestId} came without its hash`);
  joinOrRun(state, {
    to,
    origin: from.origin,
    requestId,
    hash: requestHash,
    attempt: message.attempt ?? 1,
    ageMs: message.requestAgeMs ?? 0,
    announce,
    run,
  });
}

function branchProblem(branches: readonly TransactBranch[]): Refusal | null {
  const code = 'INVALID_MESSAGE';
  if (branches.length === 0) {
    return { code, message: 'transact.branches must name at least one participant.' };
  }
  const names = new Set<string>();
  for (const { branch, participant } of branches) {
    const name = branch ?? participant;
    if (names.has(name)) {
      const message = `transact.branches names the branch ${JSON.stringify(name)} twice: give each a \`branch\` of its own.`;
      return { code, message };
    }
    names.add(name);
  }
  return null;
}

function limitProblem(
  state: TermState,
  { origin }: Sender,
  { requestId, branches }: Transact,
  wants: readonly LockWant[],
): Refusal | null {
  let bytes = emptyRecordBytes(requestId ?? null);
  for (const { branch, participant } of branches) {
    bytes += branchBytes(state, { branch: branch ?? participant, participant }, null);
  }
  const beyond = beyondBranches(state, branches.length, bytes);
  if (beyond !== null || wants.length === 0) return beyond;
  const count = wants.length;
  return beyondLimits(
    state,
    { count, bytes: bytes + lockBytes(wants), more: count },
    origin ?? null,
  );
}

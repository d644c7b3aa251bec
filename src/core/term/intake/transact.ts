/** A one-shot: branches, locks and the commit in one request. */
import { uphold } from '../../invariants.ts';
import { defaultLockGroup } from '../../locks/names.ts';
import type { Transact, TransactBranch } from '../../messages.ts';
import type { Transaction } from '../../transaction.ts';
import { weightOf } from '../../weight.ts';
import { type Sender, senderOf } from '../events.ts';
import { beyondLimits, wantsOf } from '../locks/locks.ts';
import { lockAndFreeze } from '../phase-one/phase-one.ts';
import {
  branchBytes,
  emptyRecordBytes,
  heldBranchBytes,
  lockBytes,
  transactionBytes,
  wait,
} from '../requests/requests.ts';
import type { TermState } from '../state.ts';
import { joinOrRun } from './attempts.ts';
import { addBranch, admits, create, noteBegin, sendBegun } from './begin.ts';

export function transact(
  state: TermState,
  from: Sender,
  message: Transact,
  requestHash: string | null,
): void {
  const to = senderOf(from, message.id);
  if (message.epoch !== undefined && message.epoch !== state.config.epoch) {
    state.fail(to, 'NOT_LEADER', { leader: state.config.leader });
    return;
  }
  const problem = branchProblem(message.branches);
  if (problem !== null) {
    state.fail(to, 'INVALID_MESSAGE', { message: problem });
    return;
  }
  const { maxBranches } = state.config.options;
  if (message.branches.length > maxBranches) {
    state.fail(to, 'LIMIT_EXCEEDED', {
      message: `A transaction has at most ${maxBranches} branches.`,
    });
    return;
  }
  const bytes = bytesOf(state, message);
  if (bytes > state.config.options.maxRecordBytes) {
    state.fail(to, 'TOO_LARGE', {
      message: `The decision record would pass ${state.config.options.maxRecordBytes} bytes: use fewer branches or shorter names.`,
    });
    return;
  }
  const lockGroup =
    message.lockGroup ?? ((message.locks ?? []).length > 0 ? defaultLockGroup : null);
  const wants = lockGroup === null ? [] : wantsOf(lockGroup, message.locks ?? []);
  if (wants.length > 0) {
    const limit = beyondLimits(state, { count: wants.length, bytes: bytes + lockBytes(wants) });
    if (limit !== null) {
      state.fail(to, limit.code, limit);
      return;
    }
  }
  const announce = (transaction: Transaction): void => {
    if (message.announce === true) sendBegun(state, to, transaction);
  };
  const run = (request: { id: string; hash: string; ageMs: number } | null): Transaction | null => {
    const { origin } = from;
    const own = transactionBytes + weightOf(message.labels) + lockBytes(wants);
    const payloads = message.branches.map(({ payload }) => weightOf(payload ?? null));
    const all = payloads.reduce((sum, each) => sum + each + heldBranchBytes, own);
    if (!admits(state, to, { origin, bytes: all })) return null;
    const transaction = create(state, {
      origin,
      bytes: own,
      timeoutMs: message.timeoutMs,
      owner: from.client ?? null,
      labels: message.labels,
      request,
      lockGroup,
      asked: wants.length === 0 ? null : { wants, waitMs: message.lockWaitMs },
    });
    for (const [index, branch] of message.branches.entries()) {
      addBranch(state, transaction, branch, { owner: null, payloadBytes: payloads[index] ?? 0 });
    }
    noteBegin(state, transaction);
    announce(transaction);
    wait(state, transaction, { ...to, type: 'outcome' });
    return transaction;
  };
  if (message.requestId === undefined) {
    const transaction = run(null);
    if (transaction !== null) lockAndFreeze(state, transaction);
    return;
  }
  // Without it a second commit under the id could not be told from the first.
  uphold(requestHash !== null, 'I8', () => `request ${message.requestId} came without its hash`);
  joinOrRun(state, {
    to,
    announce,
    origin: from.origin,
    requestId: message.requestId,
    hash: requestHash,
    attempt: message.attempt ?? 1,
    ageMs: message.requestAgeMs ?? 0,
    run,
  });
}

function branchProblem(branches: readonly TransactBranch[]): string | null {
  if (branches.length === 0) return 'transact.branches must name at least one participant.';
  const names = new Set<string>();
  for (const { branch, participant } of branches) {
    const name = branch ?? participant;
    if (names.has(name)) {
      return `transact.branches names the branch ${JSON.stringify(name)} twice: give each a \`branch\` of its own.`;
    }
    names.add(name);
  }
  return null;
}

function bytesOf(state: TermState, message: Transact): number {
  let bytes = emptyRecordBytes(message.requestId ?? null);
  for (const { branch, participant } of message.branches) {
    bytes += branchBytes(state, { branch: branch ?? participant, participant }, null);
  }
  return bytes;
}

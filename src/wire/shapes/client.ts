/** Client to node, and the replies. */
import {
  type BranchStatus,
  branchStates,
  type FromClient,
  type LockedKeys,
  type LockStatus,
  type SettledBy,
  type ToClient,
  type TransactBranch,
  type TransactionStatus,
} from '../../core/messages.ts';
import {
  abortReason,
  branchField,
  count,
  duration,
  id,
  key,
  labels,
  lockKey,
  lockKeys,
  lockMode,
  type ShapesOf,
  sentence,
  state,
  traceContext,
  txidField,
} from '../shapes.ts';
import {
  anything,
  boolean,
  epoch,
  type FieldsOf,
  integer,
  list,
  map,
  nullable,
  oneOf,
  optional,
  record,
  required,
  txid,
} from '../validators.ts';

const transactBranch = map<TransactBranch>({
  participant: required(key, 'The participant that does it.'),
  branch: optional(key, "Its name in the transaction; by default the participant's."),
  payload: optional(anything, 'What the participant gets with its prepare.'),
});

const lockedKeys = map<LockedKeys>({
  keys: required(lockKeys, 'What is locked, by name.'),
  mode: optional(lockMode, '`shared` or `exclusive`; `exclusive` where absent.'),
});

const share = optional(key, 'From `begun`, if another peer began the transaction.');

const settledBy = map<SettledBy>({
  by: required(sentence, 'The operator: its identity, or the name of its hello.'),
  reason: required(sentence, 'Why, in its words.'),
  atMs: required(count, 'When, in milliseconds since 1970.'),
});

export const branchStatusFields: FieldsOf<BranchStatus> = {
  branch: branchField,
  participant: required(key, 'Whose it is.'),
  state: required(oneOf(branchStates), 'How far it is.'),
  attempts: required(count, 'How often its commit or rollback was sent.'),
  lastError: optional(sentence, 'What the participant last said was wrong.'),
  byHand: optional(settledBy, 'An operator stated that it was settled by hand.'),
};

const branchStatus = map<BranchStatus>(branchStatusFields);

/** Of those who hold a lock, wait for it, or are in the way. */
export const maxParties = 1_024;

const lockStatus = map<LockStatus>({
  key: required(lockKey, 'What is locked.'),
  mode: required(lockMode, 'Shared or exclusive.'),
  held: required(boolean, 'Whether it holds the lock or waits for it.'),
  forMs: required(count, 'For how long.'),
  waitsFor: optional(list(txid, maxParties), 'The first few of those in its way.'),
});

export const transactionStatus: FieldsOf<TransactionStatus> = {
  txid: txidField,
  state: required(state, 'How far the transaction is.'),
  attention: required(boolean, 'An operator should look at it.'),
  branches: required(
    list(branchStatus, (given) => given.maxBranches, '`maxBranches`'),
    'Its branches.',
  ),
  ageMs: required(count, 'Since it began.'),
  reason: optional(abortReason, 'Why it aborted.'),
  requestId: optional(key, 'The idempotency key it came with.'),
  labels: optional(labels, 'As given at the begin.'),
  locks: optional(
    list(lockStatus, (given) => 2 * given.maxLocks, 'twice `maxLocks`'),
    'What it holds and waits for.',
  ),
  lockGroup: optional(key, 'Whose keys it locks.'),
};

export const fromClient: ShapesOf<FromClient> = {
  begin: {
    id,
    timeoutMs: optional(duration, "The transaction's time-out; the node's default where absent."),
    labels: optional(labels, 'For people; shown in status and lists.'),
    lockGroup: optional(
      key,
      "Of the locks that it will take: the client's own, or everyone's if it begins with `shared/`.",
    ),
    ...traceContext,
  },
  enlist: {
    id,
    txid: txidField,
    participant: required(key, 'The participant that joins.'),
    branch: optional(key, "Its name in the transaction; by default the participant's."),
    payload: optional(anything, 'What the participant gets with its prepare.'),
    share,
    ...traceContext,
  },
  lock: {
    id,
    txid: txidField,
    keys: required(lockKeys, 'What to lock, all at once.'),
    mode: required(lockMode, '`shared` or `exclusive`.'),
    waitMs: optional(duration, "The longest wait; the node's default where absent."),
    share,
  },
  commit: { id, txid: txidField, share, ...traceContext },
  rollback: {
    id,
    txid: txidField,
    reason: optional(sentence, 'Why, for people.'),
    share,
    ...traceContext,
  },
  transact: {
    id,
    requestId: optional(key, "The idempotency key, within the client's name."),
    requestAgeMs: optional(count, 'Since the client first sent it.'),
    attempt: optional(
      integer(1, Number.MAX_SAFE_INTEGER),
      'Raised with every new epoch; 1 where absent.',
    ),
    epoch: optional(epoch, 'The leadership it is meant for; any where absent.'),
    timeoutMs: optional(duration, "The transaction's time-out; the node's default where absent."),
    labels: optional(labels, 'For people; shown in status and lists.'),
    announce: optional(boolean, 'Send `begun` as soon as the txid is known.'),
    locks: optional(
      list(lockedKeys, (limits) => limits.maxLocks, '`maxLocks`'),
      'Taken, all at once, before the first prepare.',
    ),
    lockWaitMs: optional(duration, "The longest wait; the node's default where absent."),
    lockGroup: optional(
      key,
      "Of the locks: the client's own, or everyone's if it begins with `shared/`. `default` where absent.",
    ),
    branches: required(
      list(transactBranch, (limits) => limits.maxBranches, '`maxBranches`'),
      'Who is to do what.',
    ),
    ...traceContext,
  },
  status: { id, txid: txidField, share },
};

export const toClient: ShapesOf<ToClient> = {
  begun: {
    id,
    txid: txidField,
    timeoutMs: required(duration, 'The time-out that applies.'),
    share: required(key, 'Lets another process act for the transaction.'),
  },
  enlisted: { id, txid: txidField, branch: branchField },
  locked: { id, txid: txidField, keys: required(lockKeys, 'The keys held now.') },
  outcome: {
    id,
    txid: txidField,
    outcome: required(oneOf(['committed', 'aborted']), 'What happened. It never changes.'),
    readonly: optional(boolean, 'No branch changed anything, so nothing was recorded.'),
    reason: optional(abortReason, 'Why it aborted.'),
    repeats: optional(
      count,
      'This attempt of the request id was already answered so, and nothing was run now. A higher one would be run.',
    ),
    results: required(
      nullable(record(key, anything, (given) => given.maxBranches, '`maxBranches`')),
      "Each branch's result, by branch; null where this leadership did not run the transaction.",
    ),
  },
  status: { id, ...transactionStatus },
};

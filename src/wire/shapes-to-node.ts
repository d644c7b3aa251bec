import {
  type Ack,
  type LockedKeys,
  maxEarlierRuns,
  peerRoles,
  type Report,
  type TransactBranch,
  type VoteReason,
  voteReasonCodes,
  votes,
} from '../core/messages.ts';
import { maxJwtBytes, maxLines, maxReasonBytes, maxReportLines, maxTokenBytes } from './limits.ts';
import {
  branchField,
  count,
  duration,
  error,
  errorCode,
  goaway,
  id,
  key,
  labels,
  lockKeys,
  lockMode,
  sentence,
  state,
  type ToNodeShapes,
  txidField,
  witness,
} from './shapes.ts';
import {
  anything,
  boolean,
  epoch,
  integer,
  list,
  map,
  oneOf,
  optional,
  required,
  text,
  txid,
} from './validators.ts';

const transactBranch = map<TransactBranch>({
  participant: required(key, 'The participant that does it.'),
  branch: optional(key, "Its name in the transaction; by default the participant's."),
  payload: optional(anything, 'What the participant gets with its prepare.'),
});

const lockedKeys = map<LockedKeys>({
  keys: required(lockKeys, 'What is locked, by name.'),
  mode: optional(lockMode, '`shared` or `exclusive`; `exclusive` where absent.'),
});

const reportLine = map<Report['inDoubt'][number]>({
  txid: required(txid, 'A transaction in doubt.'),
  witness: required(witness, 'What its prepare carried.'),
});

const voteReason = map<VoteReason>({
  code: optional(oneOf(voteReasonCodes), 'VOTED_ABORT where absent.'),
  message: required(sentence, 'Why, for people.'),
  retryable: optional(
    boolean,
    'Whether the same request may succeed later; as for the code where absent.',
  ),
  detail: optional(anything, 'More, such as the key and versions of a CONFLICT.'),
});

const ackError = map<NonNullable<Ack['error']>>({
  code: required(errorCode, 'What is wrong, for programs.'),
  message: required(sentence, 'What is wrong, for people.'),
});

const operatorReason = optional(
  text(maxReasonBytes),
  'Why an operator does it, for the audit log.',
);

const share = optional(key, 'From `begun`, if another peer began the transaction.');

export const toNodeShapes: ToNodeShapes = {
  hello: {
    protocol: required(integer(0, 65_535), 'The version spoken: 1.'),
    name: required(key, 'Of the participant, client or node.'),
    instance: required(
      key,
      "An id kept in the peer's durable store; a client's belongs to its process.",
    ),
    roles: required(list(oneOf(peerRoles), 16), 'What the peer wants to be.'),
    token: optional(
      text(maxTokenBytes),
      'Proves that the peer belongs to the installation, if the node asks for it.',
    ),
    proof: optional(key, 'That the peer knows the token that it named as it came.'),
    sharedResource: optional(
      key,
      "Instances that name the same one may take over each other's branches.",
    ),
    process: optional(
      key,
      'Which process this is, if several share one journal and so its instance.',
    ),
    run: optional(
      key,
      'Of a participant: this start of its process, as START/PID/RANDOM; earlier starts sort first.',
    ),
    earlierRuns: optional(
      list(key, maxEarlierRuns),
      "The newest earlier runs in the participant's journal: they came first, whatever the clocks say.",
    ),
    copy: optional(
      boolean,
      'A node refused this run with JOURNAL_COPIED; the others need not find out again.',
    ),
  },
  renew: {
    id,
    token: required(text(maxJwtBytes), 'A fresh JWT of the same identity.'),
  },
  begin: {
    id,
    timeoutMs: optional(duration, "The transaction's time-out; the node's default where absent."),
    labels: optional(labels, 'For people; shown in status and lists.'),
    lockGroup: optional(
      key,
      "Of the locks that it will take: the client's own, or everyone's if it begins with `shared/`.",
    ),
  },
  enlist: {
    id,
    txid: txidField,
    participant: required(key, 'The participant that joins.'),
    branch: optional(key, "Its name in the transaction; by default the participant's."),
    payload: optional(anything, 'What the participant gets with its prepare.'),
    share,
  },
  lock: {
    id,
    txid: txidField,
    keys: required(lockKeys, 'What to lock, all at once.'),
    mode: required(lockMode, '`shared` or `exclusive`.'),
    waitMs: optional(duration, "The longest wait; the node's default where absent."),
    share,
  },
  commit: { id, txid: txidField, share },
  rollback: { id, txid: txidField, reason: optional(sentence, 'Why, for people.'), share },
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
  },
  status: { id, txid: txidField, share },
  query: {
    id,
    txid: txidField,
    inDoubt: required(boolean, 'The sender voted `commit` and does not know the outcome.'),
    witness: optional(witness, 'What its prepare carried.'),
  },
  resolve: {
    id,
    txid: txidField,
    witness: optional(witness, 'What its prepare carried.'),
    reason: operatorReason,
  },
  report: {
    id,
    inDoubt: required(
      list(reportLine, maxReportLines),
      'Branches that voted `commit` and do not know the outcome.',
    ),
    kept: required(
      list(txid, maxReportLines),
      'Transactions whose commit is kept until a `forget`.',
    ),
  },
  vote: {
    txid: txidField,
    branch: branchField,
    vote: required(oneOf(votes), 'Durable before it is sent.'),
    reason: optional(voteReason, 'Why the vote is `abort`.'),
    result: optional(anything, 'Passed to the client with the outcome.'),
  },
  working: { txid: txidField, branch: branchField },
  ack: {
    txid: txidField,
    branch: branchField,
    decision: required(oneOf(['commit', 'abort']), 'The decision it acknowledges.'),
    ok: required(boolean, 'Whether it is carried out, durably.'),
    error: optional(ackError, 'Why not.'),
  },
  info: { id },
  list: {
    id,
    state: optional(state, 'Only those in this state.'),
    attention: optional(boolean, 'Only those that need an operator, or only those that do not.'),
    limit: optional(integer(1, maxLines), 'At most this many.'),
  },
  config: { id },
  locks: {
    id,
    group: optional(key, 'Only those of this lock group.'),
    waiting: optional(boolean, 'Only keys with waiters, or only keys without.'),
    limit: optional(integer(1, maxLines), 'At most this many keys.'),
  },
  recover: { id, reason: operatorReason },
  retire: {
    id,
    participant: required(key, 'The participant.'),
    instance: optional(key, 'The instance that will never come back.'),
    sharedResource: optional(
      key,
      'Instead of an instance: the shared resource that is gone, and with it all instances that share it.',
    ),
    reason: operatorReason,
  },
  rebind: {
    id,
    participant: required(key, 'The participant.'),
    instance: optional(key, 'The instance that is to belong to another identity.'),
    sharedResource: optional(key, 'Instead of an instance: the shared resource.'),
    identity: required(key, 'Whose it is from now on, by its name in the access file.'),
    reason: operatorReason,
  },
  error,
  goaway,
};

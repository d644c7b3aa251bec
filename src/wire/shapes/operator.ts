/** Operator to node, and the replies. */
import {
  type FromOperator,
  type LockInfo,
  type LockParty,
  type Owner,
  type Owners,
  type ParticipantInfo,
  type QueueInfo,
  queueNames,
  type RetriedBranch,
  type ShardInfo,
  type ToOperator,
  type TransactionStatus,
} from '../../core/messages.ts';
import { maxShards } from '../../core/txid.ts';
import { maxLines, maxReasonBytes } from '../limits.ts';
import {
  branchField,
  count,
  id,
  key,
  leader,
  lockKey,
  lockMode,
  type ShapesOf,
  sentence,
  shardNumber,
  state,
  txidField,
} from '../shapes.ts';
import {
  anything,
  boolean,
  type Field,
  integer,
  list,
  map,
  oneOf,
  optional,
  type Rule,
  record,
  required,
  text,
} from '../validators.ts';
import { maxParties, transactionStatus } from './client.ts';

const maxParticipants = 1_000_000;

const maxProblems = 1_000;

const onlyKnown = optional(
  boolean,
  'Refuse it where no such one is connected, has branches here, was retired or is bound to an identity.',
);

export const operatorReason: Field<string, true> = optional(
  text(maxReasonBytes),
  'Why an operator does it, for the audit log.',
);

export const at: Field<string, true> = optional(
  key,
  'The node that is to answer, where that is another than the one asked.',
);

const retriedBranch = map<RetriedBranch>({
  branch: branchField,
  participant: required(key, 'Whose it is.'),
  command: required(oneOf(['commit', 'abort']), 'What it is to do.'),
  sent: required(boolean, 'False: its participant is not connected, and gets it when it is.'),
});

const lockParty = map<LockParty>({
  txid: txidField,
  mode: required(lockMode, 'Shared or exclusive.'),
  forMs: required(count, 'How long it has held the lock, or waited.'),
});

const lockInfo = map<LockInfo>({
  shard: required(shardNumber, 'The shard whose leader knows.'),
  group: required(key, 'The lock group.'),
  client: optional(key, "Whose group it is; absent for everyone's."),
  key: required(lockKey, 'What is locked.'),
  holders: required(list(lockParty, maxParties), 'The first of its holders.'),
  waiters: required(list(lockParty, maxParties), 'The first of its waiters, in order.'),
  holding: required(count, 'How many hold it.'),
  waiting: required(count, 'How many wait for it.'),
});

const shardInfo = map<ShardInfo>({
  shard: required(shardNumber, 'Its number.'),
  leader: required(leader, 'Who leads it; null where no one does.'),
  states: optional(
    record(state, count, 16),
    "Transactions in this node's memory, by state; absent where it does not lead, unless the last leadership was its own and left some.",
  ),
  attention: optional(count, 'How many need an operator.'),
  floor: optional(key, 'The position below which a missing record proves nothing.'),
});

const participantInfo = map<ParticipantInfo>({
  participant: required(key, 'Its name.'),
  instance: required(key, 'The id of its durable store.'),
  connections: required(count, 'Its open connections to this node.'),
  sharedResource: optional(key, 'What it shares with other instances.'),
});

const owners = map<Owners>({
  known: required(
    list(
      map<Owner>({
        instance: required(key, 'The id of its durable store.'),
        sharedResource: optional(key, 'What it shares with other instances.'),
        branches: required(count, 'Branches of transactions that did not end.'),
      }),
      maxParticipants,
    ),
    'Instances that have branches, connected or not.',
  ),
  complete: required(
    boolean,
    'False: there may be more, for there are too many, or the log is still read.',
  ),
});

export const queueInfo: Rule<QueueInfo> = map<QueueInfo>({
  queue: required(oneOf(queueNames), 'What it holds.'),
  entries: optional(count, 'How many are in it.'),
  maxEntries: optional(count, 'How many at most; absent: bounded by what they belong to.'),
  bytes: optional(count, 'How many bytes it holds.'),
  maxBytes: optional(count, 'How many at most.'),
  shard: optional(shardNumber, 'Whose it is, of several.'),
  participant: optional(key, 'Whose it is, of several.'),
});

export const fromOperator: ShapesOf<FromOperator> = {
  info: {
    id,
    at,
    ownersOf: optional(
      key,
      'A participant: the reply says which of its instances have branches at this node.',
    ),
  },
  list: {
    id,
    at,
    state: optional(state, 'Only those in this state.'),
    attention: optional(boolean, 'Only those that need an operator, or only those that do not.'),
    limit: optional(integer(1, maxLines), 'At most this many.'),
  },
  config: { id },
  locks: {
    id,
    at,
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
    onlyKnown,
    reason: operatorReason,
  },
  rebind: {
    id,
    participant: required(key, 'The participant.'),
    instance: optional(key, 'The instance that is to belong to another identity.'),
    sharedResource: optional(key, 'Instead of an instance: the shared resource.'),
    identity: required(key, 'Whose it is from now on, by its name in the access file.'),
    onlyKnown,
    reason: operatorReason,
  },
  retry: {
    id,
    txid: txidField,
    branch: optional(key, 'Only this branch; absent: each that has not acknowledged.'),
    reason: operatorReason,
  },
  acknowledge: {
    id,
    txid: txidField,
    branch: branchField,
    reason: required(text(maxReasonBytes), 'Why; kept with the transaction.'),
  },
};

export const toOperator: ShapesOf<ToOperator> = {
  info: {
    id,
    node: required(key, 'The name of the node.'),
    cluster: required(key, 'The name of the cluster.'),
    version: required(key, 'Of the program.'),
    uptimeMs: required(count, 'Since it started.'),
    ready: required(boolean, 'Whether it can take transactions, or knows who can.'),
    drained: optional(boolean, 'An operator drained it: it takes no leadership. Absent: no.'),
    connections: required(count, 'Open now.'),
    shards: required(list(shardInfo, maxShards), 'What it knows of each shard.'),
    participants: required(list(participantInfo, maxParticipants), 'Who is connected.'),
    queues: optional(
      list(queueInfo, queueNames.length),
      'What may become long or large at this node. Of several, the fullest one.',
    ),
    problems: optional(
      list(sentence, maxProblems),
      'What someone has to mend, each with what to do next.',
    ),
    owners: optional(owners, 'Where it was asked for; of the shards that this node leads.'),
  },
  list: {
    id,
    transactions: required(
      list(map<TransactionStatus>(transactionStatus), maxLines),
      'Those that match.',
    ),
    truncated: required(boolean, 'More matched than the limit allows.'),
  },
  config: {
    id,
    configuration: required(anything, 'What the node runs with; no secret.'),
  },
  locks: {
    id,
    locks: required(list(lockInfo, maxLines), 'By key, those with most waiters first.'),
    truncated: required(boolean, 'There are more.'),
  },
  recovered: {
    id,
    pending: required(count, 'Decisions in the log that some branch has not acknowledged.'),
    resumed: required(count, 'How many of those were taken up now.'),
  },
  retired: { id },
  rebound: { id },
  retried: {
    id,
    txid: txidField,
    branches: required(
      list(retriedBranch, (given) => given.maxBranches, '`maxBranches`'),
      'Those that had not acknowledged.',
    ),
  },
  acknowledged: {
    id,
    txid: txidField,
    branch: branchField,
    byHand: required(boolean, 'False: it owed nothing any more, and nothing was recorded.'),
    state: required(state, 'How far the transaction is now.'),
  },
};

import {
  type BranchStatus,
  branchStates,
  type Limits,
  type LockInfo,
  type LockParty,
  type LockStatus,
  type ParticipantInfo,
  type QueueInfo,
  queueNames,
  type ShardInfo,
  type TransactionStatus,
} from '../core/messages.ts';
import { maxShards } from '../core/txid.ts';
import { maxLines } from './limits.ts';
import {
  abortReason,
  branchField,
  count,
  duration,
  epochField,
  error,
  type FromNodeShapes,
  goaway,
  id,
  key,
  labels,
  leader,
  lockKey,
  lockKeys,
  lockMode,
  nodeInfo,
  sentence,
  shardNumber,
  state,
  txidField,
  witness,
} from './shapes.ts';
import {
  anything,
  boolean,
  type FieldsOf,
  integer,
  list,
  map,
  nullable,
  oneOf,
  optional,
  record,
  required,
  text,
  txid,
} from './validators.ts';

const maxNodes = 4_096;
const maxParticipants = 1_000_000;

const expiresInMs = optional(
  count,
  'When the connection ends, unless its credential is renewed; absent: never.',
);

const limits = map<Limits>({
  maxFrameBytes: required(count, 'Bytes of one WebSocket message.'),
  maxDepth: required(count, 'Nesting of maps and arrays in one message.'),
  maxBranches: required(count, 'Branches of one transaction.'),
  maxRecordBytes: required(count, 'Bytes of one decision record.'),
  maxTimeoutMs: required(count, 'The longest time-out of a transaction.'),
  maxLocks: optional(count, 'Keys that one transaction may lock; absent: the node knows no locks.'),
  maxLockKeyBytes: optional(count, 'Bytes of the key of a lock.'),
  maxLockWaiters: optional(count, 'Requests that may wait for locks of one shard.'),
  maxTransactions: optional(count, 'Transactions in memory, of all peers; each has a share.'),
  maxRequests: optional(count, 'Request ids remembered, of all peers; each has a share.'),
  maxConnectionsPerAddress: optional(count, 'Connections from one address.'),
  maxBufferedBytes: optional(count, 'Bytes that may wait for one peer to read.'),
  maxInputBytes: optional(
    count,
    'Bytes of messages that are incomplete or not handled yet, of all peers; each has a share.',
  ),
  maxOutputBytes: optional(count, 'Bytes that may wait for all peers to read; each has a share.'),
  maxHeldBytes: optional(count, 'Bytes that transactions hold, of all peers; each has a share.'),
});

const topology = {
  leaders: required(list(leader, maxShards), 'By shard; null where no one leads.'),
  nodes: required(list(nodeInfo, maxNodes), 'Every node that is up.'),
};

const branchStatus = map<BranchStatus>({
  branch: branchField,
  participant: required(key, 'Whose it is.'),
  state: required(oneOf(branchStates), 'How far it is.'),
  attempts: required(count, 'How often its commit or rollback was sent.'),
  lastError: optional(sentence, 'What the participant last said was wrong.'),
});

const maxParties = 1_024;

const lockStatus = map<LockStatus>({
  key: required(lockKey, 'What is locked.'),
  mode: required(lockMode, 'Shared or exclusive.'),
  held: required(boolean, 'Whether it holds the lock or waits for it.'),
  forMs: required(count, 'For how long.'),
  waitsFor: optional(list(txid, maxParties), 'The first few of those in its way.'),
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

const transactionStatus: FieldsOf<TransactionStatus> = {
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

const shardInfo = map<ShardInfo>({
  shard: required(shardNumber, 'Its number.'),
  leader: required(leader, 'Who leads it; null where no one does.'),
  states: optional(
    record(state, count, 16),
    "Transactions in this node's memory, by state; absent where it does not lead.",
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

const queueInfo = map<QueueInfo>({
  queue: required(oneOf(queueNames), 'What it holds.'),
  entries: optional(count, 'How many are in it.'),
  maxEntries: optional(count, 'How many at most; absent: bounded by what they belong to.'),
  bytes: optional(count, 'How many bytes it holds.'),
  maxBytes: optional(count, 'How many at most.'),
  shard: optional(shardNumber, 'Whose it is, of several.'),
  participant: optional(key, 'Whose it is, of several.'),
});

export const fromNodeShapes: FromNodeShapes = {
  welcome: {
    node: required(key, 'The name of the node.'),
    cluster: required(key, 'The name of the cluster.'),
    clusterId: required(
      key,
      'Random, made with the decision log. A journal that has served one serves no other.',
    ),
    shards: required(integer(1, maxShards), 'How many shards there are.'),
    ...topology,
    limits: required(limits, 'What this node accepts.'),
    requestWindowMs: required(duration, 'How long a requestId is remembered.'),
    heartbeatMs: required(duration, 'How often the node pings.'),
    expiresInMs,
  },
  renewed: { id, expiresInMs },
  topology,
  goaway,
  error,
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
  decision: {
    id: optional(count, 'Of the query; absent in the answer to a line of a report.'),
    txid: txidField,
    decision: required(
      oneOf(['commit', 'abort', 'undecided', 'expired']),
      'What was decided, if it was and is still known.',
    ),
    source: required(oneOf(['recorded', 'presumed', 'forced']), 'How that is known.'),
  },
  reported: { id },
  prepare: {
    txid: txidField,
    branch: branchField,
    epoch: epochField,
    witness: required(witness, 'The position of the log; keep it with the vote.'),
    timeoutMs: required(duration, 'Vote within this, or say `working`.'),
    payload: optional(anything, 'What the client asks of the participant; absent if it gave none.'),
    traceparent: optional(text(256), 'W3C trace context.'),
  },
  commit: { txid: txidField, branch: branchField, epoch: epochField },
  rollback: { txid: txidField, branch: branchField, epoch: epochField },
  forget: { txids: required(list(txid, maxLines), 'Every branch has acknowledged these.') },
  info: {
    id,
    node: required(key, 'The name of the node.'),
    cluster: required(key, 'The name of the cluster.'),
    version: required(key, 'Of the program.'),
    uptimeMs: required(count, 'Since it started.'),
    ready: required(boolean, 'Whether it can take transactions, or knows who can.'),
    connections: required(count, 'Open now.'),
    shards: required(list(shardInfo, maxShards), 'What it knows of each shard.'),
    participants: required(list(participantInfo, maxParticipants), 'Who is connected.'),
    queues: optional(
      list(queueInfo, queueNames.length),
      'What may become long or large at this node. Of several, the fullest one.',
    ),
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
};

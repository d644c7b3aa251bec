/** What a node says to whoever is connected, whatever that is. */
import type {
  ErrorMessage,
  Goaway,
  Limits,
  NodeInfo,
  Renewed,
  Topology,
  Welcome,
} from '../../core/messages.ts';
import { maxShards } from '../../core/txid.ts';
import {
  count,
  duration,
  errorCode,
  id,
  key,
  leader,
  type ShapesOf,
  sentence,
  understood,
  url,
} from '../shapes.ts';
import {
  boolean,
  type FieldsOf,
  integer,
  list,
  map,
  optional,
  required,
  txid,
} from '../validators.ts';

const nodeInfo = map<NodeInfo>({
  node: required(key, 'Its name.'),
  url: required(url, 'Where to reach it.'),
});

/** Both sides may send these two. */
const goaway: FieldsOf<Goaway> = {
  reason: required(sentence, 'Why the connection will be closed.'),
};

const error: FieldsOf<ErrorMessage> = {
  id: optional(count, 'Of the request that it answers.'),
  code: required(errorCode, 'What is wrong, for programs.'),
  message: required(sentence, 'What is wrong and what to do next, for people.'),
  retryable: required(boolean, 'Whether the same request may succeed later or elsewhere.'),
  retryAfterMs: optional(duration, 'Do not try again before this.'),
  leader: optional(leader, 'Where to send it instead; null where no one leads.'),
  txid: optional(txid, 'The transaction, if one is known.'),
};

const maxNodes = 4_096;

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

export const toAnyone: ShapesOf<Welcome | Renewed | Topology | Goaway | ErrorMessage> = {
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
    understands: optional(
      understood,
      'Messages that not every version knows, and this node does: `explain`.',
    ),
  },
  renewed: { id, expiresInMs },
  topology,
  goaway,
  error,
};

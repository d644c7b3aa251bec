/**
 * A realistic message of every type, with every field that it can have. The compiler demands a
 * sample of each.
 */
import { abortReason } from '../../../src/core/catalogue.ts';
import type { FromNode, LeaderInfo, ToNode, Witness } from '../../../src/core/messages.ts';
import { type Epoch, makeEpoch, makePosition, type Txid } from '../../../src/core/txid.ts';
import { makeTxid } from '../core/txids.ts';

export const sampleEpoch: Epoch = makeEpoch({ generation: 1, revision: 4_711n });
export const sampleTxid: Txid = makeTxid({
  shard: 0,
  epoch: sampleEpoch,
  sequence: 12,
  random: '0m3k9x2q7w1za',
});
export const otherTxid: Txid = makeTxid({
  shard: 0,
  epoch: sampleEpoch,
  sequence: 13,
  random: 'zz8h4t6p1c0bd',
});
export const sampleWitness: Witness = { generation: 1, revision: '18446744073709551615' };

const leader: LeaderInfo = {
  shard: 0,
  epoch: sampleEpoch,
  node: 'node-1',
  url: 'ws://127.0.0.1:7070/v1',
};
const topology = {
  leaders: [leader, null],
  nodes: [{ node: 'node-1', url: 'ws://127.0.0.1:7070/v1' }],
};
const labels = { customer: 'Zoë', channel: 'web' };
const conflict = abortReason('CONFLICT', {
  participant: 'inventory',
  detail: { key: 'sku-1', expected: 3, actual: 4 },
});
const status = {
  txid: sampleTxid,
  state: 'COMMITTING',
  attention: true,
  branches: [
    {
      branch: 'inventory',
      participant: 'inventory',
      state: 'committing',
      attempts: 11,
      lastError: 'The disk is full.',
    },
  ],
  ageMs: 93_412,
  reason: conflict,
  requestId: 'order-4711',
  labels,
  locks: [
    { key: 'sku-1', mode: 'exclusive', held: true, forMs: 812 },
    { key: 'sku-2', mode: 'shared', held: false, forMs: 12, waitsFor: [otherTxid] },
  ],
  lockGroup: 'warehouse',
} as const;
const error = {
  type: 'error',
  id: 7,
  code: 'NOT_LEADER',
  message: 'node-2 does not lead shard 0.',
  retryable: true,
  retryAfterMs: 50,
  leader,
  txid: sampleTxid,
} as const;
const goaway = { type: 'goaway', reason: 'The node is stopping.' } as const;

export const toNodeSamples: {
  readonly [T in ToNode['type']]: Extract<ToNode, { readonly type: T }>;
} = {
  hello: {
    type: 'hello',
    protocol: 1,
    name: 'inventory',
    instance: 'n7d0c4k2p9',
    roles: ['participant', 'client'],
    token: 'eyJhbGciOiJFZERTQSJ9.e30.c2ln',
    sharedResource: 'warehouse-db',
  },
  renew: { type: 'renew', id: 2, token: 'a.b.c' },
  begin: { type: 'begin', id: 1, timeoutMs: 5_000, labels, lockGroup: 'warehouse' },
  enlist: {
    type: 'enlist',
    id: 2,
    txid: sampleTxid,
    participant: 'inventory',
    branch: 'inventory-eu',
    payload: { sku: 'sku-1', quantity: 2 },
  },
  lock: {
    type: 'lock',
    id: 14,
    txid: sampleTxid,
    keys: ['sku-1', 'Zoë/17'],
    mode: 'shared',
    waitMs: 250,
  },
  commit: { type: 'commit', id: 3, txid: sampleTxid },
  rollback: { type: 'rollback', id: 4, txid: sampleTxid, reason: 'The customer changed her mind.' },
  transact: {
    type: 'transact',
    id: 5,
    requestId: 'order-4711',
    requestAgeMs: 12,
    attempt: 2,
    epoch: sampleEpoch,
    timeoutMs: 5_000,
    labels,
    announce: true,
    locks: [{ keys: ['sku-1', 'sku-2'], mode: 'exclusive' }, { keys: ['price-list'] }],
    lockWaitMs: 1_000,
    lockGroup: 'warehouse',
    branches: [
      { participant: 'inventory', payload: { sku: 'sku-1', quantity: 2, version: 3 } },
      { participant: 'payment', branch: 'deposit', payload: { card: 'c-9', cents: 1_999 } },
      { participant: 'shipping', payload: null },
    ],
  },
  status: { type: 'status', id: 6, txid: sampleTxid },
  query: { type: 'query', id: 7, txid: sampleTxid, inDoubt: true, witness: sampleWitness },
  resolve: {
    type: 'resolve',
    id: 8,
    txid: sampleTxid,
    witness: sampleWitness,
    reason: 'warehouse 3 is gone',
  },
  report: {
    type: 'report',
    id: 9,
    inDoubt: [{ txid: sampleTxid, witness: sampleWitness }],
    kept: [otherTxid],
  },
  vote: {
    type: 'vote',
    txid: sampleTxid,
    branch: 'inventory',
    vote: 'abort',
    reason: {
      code: 'CONFLICT',
      message: 'sku-1 is at version 4.',
      retryable: true,
      detail: { key: 'sku-1', expected: 3, actual: 4 },
    },
    result: { reserved: 2 },
  },
  working: { type: 'working', txid: sampleTxid, branch: 'inventory' },
  ack: {
    type: 'ack',
    txid: sampleTxid,
    branch: 'inventory',
    decision: 'commit',
    ok: false,
    error: { code: 'UNKNOWN_BRANCH', message: 'There is no such branch here.' },
  },
  info: { type: 'info', id: 10 },
  list: { type: 'list', id: 11, state: 'COMMITTING', attention: true, limit: 100 },
  config: { type: 'config', id: 17 },
  locks: { type: 'locks', id: 15, group: 'warehouse', waiting: true, limit: 100 },
  recover: { type: 'recover', id: 12, reason: 'after the restore' },
  retire: {
    type: 'retire',
    id: 13,
    participant: 'inventory',
    instance: 'n7d0c4k2p9',
    reason: 'its disk is lost',
  },
  rebind: {
    type: 'rebind',
    id: 16,
    participant: 'inventory',
    instance: 'n7d0c4k2p9',
    identity: 'stock-eu',
    reason: 'renamed',
  },
  error,
  goaway,
};

export const fromNodeSamples: {
  readonly [T in FromNode['type']]: Extract<FromNode, { readonly type: T }>;
} = {
  welcome: {
    type: 'welcome',
    node: 'node-1',
    cluster: 'main',
    clusterId: 'made-by-chance',
    shards: 2,
    ...topology,
    limits: {
      maxFrameBytes: 1_048_576,
      maxDepth: 32,
      maxBranches: 128,
      maxRecordBytes: 16_384,
      maxTimeoutMs: 300_000,
      maxLocks: 64,
      maxLockKeyBytes: 256,
      maxLockWaiters: 10_000,
      maxTransactions: 100_000,
      maxRequests: 1_000_000,
      maxConnectionsPerAddress: 4_096,
      maxBufferedBytes: 67_108_864,
      maxInputBytes: 33_554_432,
      maxOutputBytes: 67_108_864,
      maxHeldBytes: 134_217_728,
    },
    requestWindowMs: 120_000,
    heartbeatMs: 5_000,
  },
  config: {
    type: 'config',
    id: 17,
    configuration: { listen: '127.0.0.1:7070', token: 'required' },
  },
  renewed: { type: 'renewed', id: 2, expiresInMs: 600_000 },
  topology: { type: 'topology', ...topology },
  goaway,
  error,
  begun: { type: 'begun', id: 1, txid: sampleTxid, timeoutMs: 5_000, share: 'share-1' },
  enlisted: { type: 'enlisted', id: 2, txid: sampleTxid, branch: 'inventory' },
  locked: { type: 'locked', id: 14, txid: sampleTxid, keys: ['sku-1', 'Zoë/17'] },
  outcome: {
    type: 'outcome',
    id: 5,
    txid: sampleTxid,
    outcome: 'aborted',
    readonly: false,
    reason: conflict,
    repeats: 2,
    results: { inventory: { reserved: 2 }, payment: 'p-17', shipping: null },
  },
  status: { type: 'status', id: 6, ...status },
  decision: { type: 'decision', id: 7, txid: sampleTxid, decision: 'abort', source: 'presumed' },
  reported: { type: 'reported', id: 9 },
  prepare: {
    type: 'prepare',
    txid: sampleTxid,
    branch: 'inventory',
    epoch: sampleEpoch,
    witness: sampleWitness,
    timeoutMs: 5_000,
    payload: { sku: 'sku-1', quantity: 2, version: 3 },
    traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  },
  commit: { type: 'commit', txid: sampleTxid, branch: 'inventory', epoch: sampleEpoch },
  rollback: { type: 'rollback', txid: sampleTxid, branch: 'inventory', epoch: sampleEpoch },
  forget: { type: 'forget', txids: [sampleTxid, otherTxid] },
  info: {
    type: 'info',
    id: 10,
    node: 'node-1',
    cluster: 'main',
    version: '0.1.0',
    uptimeMs: 86_400_000,
    ready: true,
    connections: 6,
    shards: [
      {
        shard: 0,
        leader,
        states: { PENDING: 1, COMMITTING: 2 },
        attention: 1,
        floor: makePosition(sampleEpoch, 3),
      },
    ],
    participants: [
      {
        participant: 'inventory',
        instance: 'n7d0c4k2p9',
        connections: 1,
        sharedResource: 'warehouse-db',
      },
    ],
    queues: [
      {
        queue: 'waiting-for-prepare',
        entries: 17,
        maxEntries: 1_024,
        shard: 0,
        participant: 'inventory',
      },
      { queue: 'held', bytes: 52_000, maxBytes: 134_217_728 },
    ],
  },
  list: { type: 'list', id: 11, transactions: [status], truncated: false },
  locks: {
    type: 'locks',
    id: 15,
    locks: [
      {
        shard: 0,
        group: 'warehouse',
        client: 'shop',
        key: 'sku-1',
        holders: [{ txid: sampleTxid, mode: 'exclusive', forMs: 812 }],
        waiters: [{ txid: otherTxid, mode: 'shared', forMs: 12 }],
        holding: 1,
        waiting: 1,
      },
    ],
    truncated: false,
  },
  recovered: { type: 'recovered', id: 12, pending: 3, resumed: 1 },
  retired: { type: 'retired', id: 13 },
  rebound: { type: 'rebound', id: 16 },
};

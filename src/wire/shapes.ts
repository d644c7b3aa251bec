/**
 * What several messages share, and the type of the two message tables (shapes-to-node.ts,
 * shapes-from-node.ts). They alone say which fields a message has: validation, the samples' test
 * and the tables of docs/PROTOCOL.md derive from them, and the compiler checks core/messages.ts.
 */
import { type AbortReason, type ErrorCode, errorCodes, reasonCodes } from '../core/catalogue.ts';
import { type LockMode, lockModes } from '../core/locks/table.ts';
import {
  type ErrorMessage,
  type FromNode,
  type Goaway,
  type LeaderInfo,
  type NodeInfo,
  type ToNode,
  transactionStates,
  type Witness,
} from '../core/messages.ts';
import type { Epoch, Txid } from '../core/txid.ts';
import {
  maxLabelBytes,
  maxLabels,
  maxLockKeyBytes,
  maxNameBytes,
  maxTextBytes,
  maxTimeoutMs,
  maxUrlBytes,
} from './limits.ts';
import {
  anything,
  boolean,
  decimal,
  epoch,
  type Field,
  type FieldsOf,
  integer,
  list,
  map,
  name,
  nullable,
  oneOf,
  optional,
  type Rule,
  record,
  required,
  text,
  txid,
} from './validators.ts';

/** Every type of a direction must be there, with exactly its fields. */
export type ShapesOf<M extends { readonly type: string }> = {
  readonly [T in M['type']]: FieldsOf<Extract<M, { readonly type: T }>>;
};
export type ToNodeShapes = ShapesOf<ToNode>;
export type FromNodeShapes = ShapesOf<FromNode>;

export const key: Rule<string> = name(maxNameBytes);
export const sentence: Rule<string> = text(maxTextBytes);
export const url: Rule<string> = name(maxUrlBytes);
export const duration: Rule<number> = integer(0, maxTimeoutMs);
/** Ages and counts: no timer is set to them, so only a double's exactness bounds them. */
export const count: Rule<number> = integer(0, Number.MAX_SAFE_INTEGER);
export const shardNumber: Rule<number> = integer(0, 36 ** 4 - 1);
export const state: Rule<(typeof transactionStates)[number]> = oneOf(transactionStates);
export const errorCode: Rule<ErrorCode> = oneOf(errorCodes);
export const lockMode: Rule<LockMode> = oneOf(lockModes);
export const lockKey: Rule<string> = name(maxLockKeyBytes);
export const lockKeys: Rule<readonly string[]> = list(
  lockKey,
  (limits) => limits.maxLocks,
  '`maxLocks`',
);
export const labels: Rule<Readonly<Record<string, string>>> = record(
  key,
  text(maxLabelBytes),
  maxLabels,
);

export const id: Field<number, false> = required(
  count,
  'Of the request; its one reply carries the same.',
);
export const txidField: Field<Txid, false> = required(txid, 'The transaction.');
export const branchField: Field<string, false> = required(
  key,
  'The branch, unique in its transaction.',
);
export const epochField: Field<Epoch, false> = required(epoch, 'The leadership that sends it.');

export const witness: Rule<Witness> = map<Witness>({
  generation: required(integer(0, 36 ** 4 - 1), 'How often an operator restored the log.'),
  revision: required(decimal, 'The newest position of the log, as text: it does not fit a double.'),
});

export const leaderInfo: Rule<LeaderInfo> = map<LeaderInfo>({
  shard: required(shardNumber, 'The shard it leads.'),
  epoch: required(epoch, 'Its leadership.'),
  node: required(key, 'The name of the node.'),
  url: required(url, 'Where to reach it.'),
});
export const leader: Rule<LeaderInfo | null> = nullable(leaderInfo);

export const nodeInfo: Rule<NodeInfo> = map<NodeInfo>({
  node: required(key, 'Its name.'),
  url: required(url, 'Where to reach it.'),
});

export const abortReason: Rule<AbortReason> = map<AbortReason>({
  code: required(oneOf(reasonCodes), 'Why, for programs.'),
  message: required(sentence, 'Why, for people.'),
  participant: optional(key, 'The participant whose branch was the cause.'),
  retryable: required(boolean, 'Whether the same request may succeed later.'),
  retryAfterMs: optional(duration, 'Do not try again before this.'),
  detail: optional(anything, 'More, such as the key and versions of a CONFLICT.'),
});

/** Both sides may send these two. */
export const goaway: FieldsOf<Goaway> = {
  reason: required(sentence, 'Why the connection will be closed.'),
};
export const error: FieldsOf<ErrorMessage> = {
  id: optional(count, 'Of the request that it answers.'),
  code: required(errorCode, 'What is wrong, for programs.'),
  message: required(sentence, 'What is wrong and what to do next, for people.'),
  retryable: required(boolean, 'Whether the same request may succeed later or elsewhere.'),
  retryAfterMs: optional(duration, 'Do not try again before this.'),
  leader: optional(leader, 'Where to send it instead; null where no one leads.'),
  txid: optional(txid, 'The transaction, if one is known.'),
};

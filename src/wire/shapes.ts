/**
 * What several messages share, and the type of the message tables. There is one for each peer in
 * shapes/, and all of a direction are together in shapes-to-node.ts and shapes-from-node.ts. They
 * alone say which fields a message has: validation, the samples' test and docs/MESSAGES.md derive
 * from them, and the compiler checks core/messages.ts.
 */
import type { AbortReason } from '../core/catalogue.ts';
import { type ErrorCode, errorCodes, reasonCodes } from '../core/codes.ts';
import { type LockMode, lockModes } from '../core/locks/modes.ts';
import {
  type FromNode,
  type LeaderInfo,
  type ToNode,
  transactionStates,
} from '../core/messages.ts';
import {
  isTracestate,
  knownTraceparent,
  maxTracestateBytes,
  type TraceContext,
} from '../core/trace-context.ts';
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
  epoch,
  type Field,
  type FieldsOf,
  integer,
  lenient,
  list,
  map,
  name,
  nullable,
  number,
  oneOf,
  optional,
  type Rule,
  record,
  refuse,
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
/** A time that is measured in microseconds: a fraction. */
export const milliseconds: Rule<number> = number(0, Number.MAX_SAFE_INTEGER);
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

/** Names of message types. */
export const understood: Rule<readonly string[]> = list(key, 64);

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

export const leaderInfo: Rule<LeaderInfo> = map<LeaderInfo>({
  shard: required(shardNumber, 'The shard it leads.'),
  epoch: required(epoch, 'Its leadership.'),
  node: required(key, 'The name of the node.'),
  url: required(url, 'Where to reach it.'),
});
export const leader: Rule<LeaderInfo | null> = nullable(leaderInfo);

export const abortReason: Rule<AbortReason> = map<AbortReason>({
  code: required(oneOf(reasonCodes), 'Why, for programs.'),
  message: required(sentence, 'Why, for people.'),
  participant: optional(key, 'The participant whose branch was the cause.'),
  retryable: required(boolean, 'Whether the same request may succeed later.'),
  retryAfterMs: optional(duration, 'Do not try again before this.'),
  detail: optional(anything, 'More, such as the key and versions of a CONFLICT.'),
});

const traceparent: Rule<string> = {
  text: 'a `traceparent` of W3C Trace Context; another counts as absent',
  read: (value) => (typeof value === 'string' && knownTraceparent(value)) || refuse('is none'),
};

const tracestate: Rule<string> = {
  text: `a \`tracestate\` of W3C Trace Context of at most ${maxTracestateBytes} bytes; another counts as absent`,
  read: (value) => (typeof value === 'string' && isTracestate(value) ? value : refuse('is none')),
};

/** Of whatever belongs to a trace. A broken one is no error: nothing depends on it. */
export const traceContext: FieldsOf<Partial<TraceContext>> = {
  traceparent: lenient(traceparent, 'The trace that it belongs to.'),
  tracestate: lenient(tracestate, 'What vendors add to it.'),
};

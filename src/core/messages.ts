/**
 * The messages of `verdict.v1`, as types. They are the vocabulary of the core, which is why they live
 * here; `src/wire` encodes, decodes and validates them. docs/PROTOCOL.md, section 7, is their
 * documentation.
 */
import type {
  Begin,
  Begun,
  Commit,
  Enlist,
  Enlisted,
  Lock,
  Locked,
  OutcomeMessage,
  Rollback,
  Status,
  StatusReply,
  Transact,
} from './messages/client.ts';
import type { ErrorMessage, Goaway, Hello, Topology, Welcome } from './messages/common.ts';
import type {
  Info,
  InfoReply,
  List,
  ListReply,
  Locks,
  LocksReply,
  Recover,
  Recovered,
  Retire,
  Retired,
} from './messages/operator.ts';
import type {
  Ack,
  CommitBranch,
  DecisionMessage,
  Forget,
  Prepare,
  Query,
  Report,
  Reported,
  Resolve,
  RollbackBranch,
  VoteMessage,
  Working,
} from './messages/participant.ts';

export * from './messages/client.ts';
export * from './messages/common.ts';
export * from './messages/operator.ts';
export * from './messages/participant.ts';

/** What a node receives. */
export type ToNode =
  | Hello
  | Begin
  | Enlist
  | Lock
  | Commit
  | Rollback
  | Transact
  | Status
  | Query
  | Resolve
  | Report
  | VoteMessage
  | Working
  | Ack
  | Info
  | List
  | Locks
  | Recover
  | Retire
  | ErrorMessage
  | Goaway;

/** What a node sends. */
export type FromNode =
  | Welcome
  | Topology
  | Goaway
  | ErrorMessage
  | Begun
  | Enlisted
  | Locked
  | OutcomeMessage
  | StatusReply
  | DecisionMessage
  | Reported
  | Prepare
  | CommitBranch
  | RollbackBranch
  | Forget
  | InfoReply
  | ListReply
  | LocksReply
  | Recovered
  | Retired;

export type Message = ToNode | FromNode;

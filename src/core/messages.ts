/**
 * The messages of `verdict.v1`, as types: the vocabulary of the core. `src/wire` encodes, decodes
 * and validates them; docs/PROTOCOL.md, section 7, is their documentation.
 */
import type { FromClient, ToClient } from './messages/client.ts';
import type {
  ErrorMessage,
  Goaway,
  Hello,
  Renew,
  Renewed,
  Topology,
  Welcome,
} from './messages/common.ts';
import type { Explain, Explained } from './messages/explain.ts';
import type { FromOtherNode, ToOtherNode } from './messages/node.ts';
import type { FromOperator, ToOperator } from './messages/operator.ts';
import type { FromParticipant, ToParticipant } from './messages/participant.ts';
import type { Stats, StatsReply } from './messages/stats.ts';
import type { Steered, Steering } from './messages/steering.ts';

export type * from './messages/client.ts';
export * from './messages/common.ts';
export type * from './messages/explain.ts';
export type * from './messages/node.ts';
export type * from './messages/operator.ts';
export * from './messages/participant.ts';
export type * from './messages/stats.ts';
export type * from './messages/steering.ts';

/** What a node receives. */
export type ToNode =
  | Hello
  | Renew
  | FromClient
  | FromParticipant
  | FromOperator
  | Explain
  | Stats
  | FromOtherNode
  | Steering
  | ErrorMessage
  | Goaway;

/** What a node sends. */
export type FromNode =
  | Welcome
  | Renewed
  | Topology
  | Goaway
  | ErrorMessage
  | ToClient
  | ToParticipant
  | ToOperator
  | Explained
  | StatsReply
  | ToOtherNode
  | Steered;

export type Message = ToNode | FromNode;

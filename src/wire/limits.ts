import { coordinatorOptionTable } from '../core/coordinator-options.ts';

/** What one side accepts from the other. */
export interface WireLimits {
  /** Bytes of one WebSocket message. */
  readonly maxFrameBytes: number;
  /** Nesting of maps and arrays in one message; the message itself is level 1. At most `maxNesting`. */
  readonly maxDepth: number;
  /** Branches of one transaction. */
  readonly maxBranches: number;
  /** Keys of one request for locks. */
  readonly maxLocks: number;
}

/**
 * An answer wraps what a participant or client sent up to this many levels deeper than it came: a vote's
 * `reason.detail` (level 3) returns in a list's `transactions[].reason.detail` (level 5).
 */
const wrappingLevels = 4;

/**
 * For the side that dials. It cannot know a node's configuration before `welcome`, and must be able to read all that any
 * node may send.
 */
export const widestLimits: WireLimits = {
  maxFrameBytes: coordinatorOptionTable.maxFrameBytes.max,
  maxDepth: coordinatorOptionTable.maxDepth.max + wrappingLevels,
  maxBranches: coordinatorOptionTable.maxBranches.max,
  maxLocks: coordinatorOptionTable.maxLocks.max,
};

/**
 * Nesting at which a frame is given up without looking for its end. Between `maxDepth` and this only the one
 * message is refused, and the connection lives on.
 */
export const maxNesting = 320;

/** Messages in one frame; a sender splits there. One byte can make one (bad) message: this bounds the answers. */
export const maxFrameMessages = 4_096;

/**
 * Keys, values, maps and arrays in one message. One byte can make one empty map, which costs some 60 bytes of memory: this
 * bounds that. Of those to a node the one with the most is a payload; of a node's, an outcome, to which every branch brought what it
 * may, or a list.
 */
export const maxMessageElements = { 'to-node': 262_144, 'from-node': 4_194_304 } as const;

/** Bytes of a name: participant, branch, instance, node, requestId, key of a label. */
export const maxNameBytes = 128;
/** Bytes of a text for people: reasons, error messages. A sender cuts; see `fitText`. */
export const maxTextBytes = 1_024;
export const maxLabelBytes = 256;
export const maxLabels = 16;
/** Of a lock's key; its group is a name. */
export const maxLockKeyBytes = 256;
export const maxUrlBytes = 2_048;
export const maxTokenBytes = 2_048;
/** What a peer may send before its hello was taken. */
export const maxHelloBytes = 4_096;
/** Txids of a forget, transactions of a list. */
export const maxLines = 10_000;
/** Lines of a report, of either kind. One message is decoded in one turn: of so many, in a few milliseconds. */
export const maxReportLines = 1_000;
export const maxTimeoutMs: number = 2 ** 31;

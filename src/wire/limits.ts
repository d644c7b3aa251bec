import { nodeBounds } from '../core/node-bounds.ts';

/** What one side accepts from the other. */
export interface WireLimits {
  /** Bytes of one WebSocket message. */
  readonly maxFrameBytes: number;
  /** Nesting of maps and arrays; the message itself is level 1. At most `maxNesting`. */
  readonly maxDepth: number;
  /** Branches of one transaction. */
  readonly maxBranches: number;
  /** Keys of one request for locks. */
  readonly maxLocks: number;
}

/** How much deeper an answer may wrap what came in: a vote's `reason.detail`, from level 3 to 5. */
const wrappingLevels = 4;

/** For the side that dials: before `welcome` it must be able to read what any node may send. */
export const widestLimits: WireLimits = {
  maxFrameBytes: nodeBounds.maxFrameBytes.max,
  maxDepth: nodeBounds.maxDepth.max + wrappingLevels,
  maxBranches: nodeBounds.maxBranches.max,
  maxLocks: nodeBounds.maxLocks.max,
};

/** Nesting at which a frame is given up. Above `maxDepth` only the one message is refused. */
export const maxNesting = 320;

/** Messages in one frame, where a sender splits. Bounds the answers: a byte can be a message. */
export const maxFrameMessages = 4_096;

/**
 * Keys, values, maps and arrays in one message. One byte can make one empty map, which costs some
 * 60 bytes of memory: this bounds that. To a node the largest is a payload; from one an outcome, to
 * which every branch brought what it may, or a list.
 */
export const maxMessageElements = { 'to-node': 262_144, 'from-node': 4_194_304 } as const;

/** Bytes of a name: participant, branch, instance, node, requestId, key of a label. */
export const maxNameBytes = 128;
/** Bytes of a text for people: reasons, error messages. A sender cuts; see `fitText`. */
export const maxTextBytes = 1_024;
/** Of an operator's reason for what it does. */
export const maxReasonBytes = 256;
export const maxLabelBytes = 256;
export const maxLabels = 16;
/** Of a lock's key; its group is a name. */
export const maxLockKeyBytes = 256;
export const maxUrlBytes = 2_048;
export const maxTokenBytes = 2_048;
export const maxJwtBytes = 8_192;
/** What a peer may send before its hello was taken. */
export const maxHelloBytes = 4_096;
/** Txids of a forget, transactions of a list. */
export const maxLines = 10_000;
/** Lines of a report, of either kind: so many are decoded in a few milliseconds, in one turn. */
export const maxReportLines = 1_000;
export const maxTimeoutMs: number = 2 ** 31;

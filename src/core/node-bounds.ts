/** Those of a node's options that its peers go by too: what bounds them, without the words. */

interface Bounds {
  readonly default: number;
  readonly min: number;
  readonly max: number;
}

/** `coordinatorOptionTable` has the meaning of each. */
export const nodeBounds: Readonly<
  Record<
    | 'transactionTimeoutMs'
    | 'maxBranches'
    | 'maxLocks'
    | 'maxFrameBytes'
    | 'maxDepth'
    | 'heartbeatMs'
    | 'maxBufferedBytes',
    Bounds
  >
> = {
  transactionTimeoutMs: { default: 10_000, min: 1, max: 3_600_000 },
  maxBranches: { default: 128, min: 1, max: 1_024 },
  maxLocks: { default: 64, min: 1, max: 1_024 },
  maxFrameBytes: { default: 1_048_576, min: 1_024, max: 67_108_864 },
  maxDepth: { default: 32, min: 8, max: 256 },
  heartbeatMs: { default: 5_000, min: 10, max: 600_000 },
  maxBufferedBytes: { default: 67_108_864, min: 65_536, max: 1_073_741_824 },
};

/** What an operator has a node do about its leaderships and its log, and the replies. */

export interface StepDown {
  readonly type: 'step-down';
  readonly id: number;
  /** Default: every shard that the node leads. */
  readonly shard?: number;
  /** Default: the node that is most ready. */
  readonly to?: string;
  /** For the audit log. */
  readonly reason?: string;
}
export interface SteppedDown {
  readonly type: 'stepped-down';
  readonly id: number;
  readonly shards: readonly ShardMoved[];
}
export interface ShardMoved {
  readonly shard: number;
  /** Who leads it now; null: the node leads on, and `why`. */
  readonly to: string | null;
  readonly why?: string;
}
export interface Drain {
  readonly type: 'drain';
  readonly id: number;
  readonly reason?: string;
}
export interface Drained {
  readonly type: 'drained';
  readonly id: number;
  readonly node: string;
  readonly shards: readonly ShardMoved[];
}
export interface Undrain {
  readonly type: 'undrain';
  readonly id: number;
  readonly reason?: string;
}
export interface Undrained {
  readonly type: 'undrained';
  readonly id: number;
  readonly node: string;
}

/** As the logger's port has them. */
export type LevelName = 'debug' | 'info' | 'warn' | 'error' | 'silent';

export interface SetLogLevel {
  readonly type: 'log-level';
  readonly id: number;
  readonly level: LevelName;
  /** After that it is again as the node was started. Absent: until it ends. */
  readonly forMs?: number;
  readonly reason?: string;
}
export interface LogLevelSet {
  readonly type: 'log-level-set';
  readonly id: number;
  readonly node: string;
  readonly level: LevelName;
  readonly was: LevelName;
}

export type Steering = StepDown | Drain | Undrain | SetLogLevel;
export type Steered = SteppedDown | Drained | Undrained | LogLevelSet;

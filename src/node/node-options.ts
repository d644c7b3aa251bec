/** What a node is made of. */
import type { Reached } from '../coordinator/crash-points.ts';
import type { CoordinatorOptions } from '../core/coordinator-options.ts';
import type { LoopDelay } from '../core/messages.ts';
import type { Access } from '../ports/access.ts';
import type { Audit } from '../ports/audit.ts';
import type { Clock } from '../ports/clock.ts';
import type { DecisionLog } from '../ports/decision-log.ts';
import type { Logger } from '../ports/logger.ts';
import type { Random } from '../ports/random.ts';
import type { Acceptor, Dialer, TokenCredential } from '../ports/transport.ts';
import type { LevelOfLog } from './log-level.ts';

export interface NodeOptions {
  readonly node: string;
  /** What peers are told to connect to; null: the address that is really bound. */
  readonly advertise: string | null;
  readonly version: string;
  readonly log: DecisionLog;
  readonly acceptor: Acceptor;
  /** Reaches other nodes, to notice at once when a leader's process dies; null if it is alone. */
  readonly dialer: Dialer | null;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Default: none is written. */
  readonly audit?: Audit;
  /** Whether the logger takes level debug: notes of that level are not made otherwise. */
  readonly debug: boolean;
  /** By which operators change the logger's level; absent: they cannot. */
  readonly levelOfLog?: LevelOfLog;
  readonly options: CoordinatorOptions;
  readonly access: Access;
  /** Where operators connect, and no one else; absent: where all others do. */
  readonly operatorAcceptor?: Acceptor | null;
  /** By which this node shows other nodes who it is. */
  readonly credential?: Pick<TokenCredential, 'token'> | undefined;
  /** For operators: what the node runs with, without secrets. */
  readonly configuration?: () => object;
  /** A fault after which the node must not go on: print it and end the process. */
  readonly onFatal: (error: unknown) => void;
  readonly reached?: Reached;
  /** How late the event loop of the process was; absent: that is not measured. */
  readonly loopDelay?: () => LoopDelay;
}

/** Faults by name, each waiting for the moment at which it happens. */
import type { CrashPoint } from '../coordinator/crash-points.ts';
import type { ParticipantCrashPoint } from '../participant/crash-points.ts';

/** Of a participant that runs under `coordinator.participant`. */
type ParticipantCrash =
  | 'crash before the vote'
  | 'crash after the vote'
  | 'crash before the commit'
  | 'crash after the commit';
/** Of the node, with everything in its memory. */
type CoordinatorCrash =
  | 'coordinator gone before the decision'
  | 'coordinator gone after the decision';
/** On the way. */
type MessageFault =
  | 'reply to the vote lost'
  | 'commit delivered twice'
  | 'abort by another participant'
  | 'time-out';

/** A fault that `coordinator.inject` knows. */
export type FaultName = ParticipantCrash | CoordinatorCrash | MessageFault;

const participantCrashes: Readonly<Record<ParticipantCrash, ParticipantCrashPoint>> = {
  'crash before the vote': 'before-vote-durable',
  'crash after the vote': 'after-vote-durable',
  'crash before the commit': 'before-commit-applied',
  'crash after the commit': 'after-commit-applied',
};

const coordinatorCrashes: Readonly<Record<CoordinatorCrash, CrashPoint>> = {
  'coordinator gone before the decision': 'before-decision',
  'coordinator gone after the decision': 'decision-durable',
};

/** Each fault's name. */
export const faultNames: readonly FaultName[] = [
  ...(Object.keys(participantCrashes) as ParticipantCrash[]),
  ...(Object.keys(coordinatorCrashes) as CoordinatorCrash[]),
  'reply to the vote lost',
  'commit delivered twice',
  'abort by another participant',
  'time-out',
];

/** Where a fault happens, and what follows. */
export interface FaultOptions {
  /**
   * Only at this participant. Default: at the first that comes to it. Not with `coordinator gone`.
   */
  readonly participant?: string;
  /** A crash: how long until it is started again. Default 0. `coordinator gone`: default 50. */
  readonly forMs?: number;
  /** False: a crashed participant stays down until its `restart()`. Default true. */
  readonly restart?: boolean;
}

/** A fault that was injected. */
export interface InjectedFault {
  /** Which one. */
  readonly fault: FaultName;
  /** Resolves when it has happened. A test that does not await it may have tested nothing. */
  readonly happened: Promise<void>;
  /** It will not happen any more. */
  cancel(): void;
}

interface Waiting {
  readonly fault: FaultName;
  readonly options: FaultOptions;
  readonly done: () => void;
}

export class FaultPlan {
  readonly #waiting = new Set<Waiting>();

  inject(fault: FaultName, options: FaultOptions): InjectedFault {
    if (!faultNames.includes(fault)) {
      throw new TypeError(`There is no fault '${fault}'. There are: ${faultNames.join(', ')}.`);
    }
    if (options.participant !== undefined && Object.hasOwn(coordinatorCrashes, fault)) {
      throw new TypeError(`'${fault}' meets the coordinator, not a participant: leave that out.`);
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiting: Waiting = { fault, options, done: resolve };
    this.#waiting.add(waiting);
    return { fault, happened: promise, cancel: () => void this.#waiting.delete(waiting) };
  }

  /** Takes the first of this name that fits: it happens now. */
  take(fault: FaultName, participants: readonly (string | undefined)[]): FaultOptions | null {
    for (const waiting of this.#waiting) {
      const { participant } = waiting.options;
      if (waiting.fault !== fault) continue;
      if (participant !== undefined && !participants.includes(participant)) continue;
      this.#waiting.delete(waiting);
      waiting.done();
      return waiting.options;
    }
    return null;
  }

  takeCrash(participant: string, reached: ParticipantCrashPoint): FaultOptions | null {
    for (const [fault, point] of Object.entries(participantCrashes)) {
      if (point === reached) return this.take(fault as FaultName, [participant]);
    }
    return null;
  }

  takeNodeCrash(reached: CrashPoint): FaultOptions | null {
    for (const [fault, point] of Object.entries(coordinatorCrashes)) {
      if (point === reached) return this.take(fault as FaultName, []);
    }
    return null;
  }

  /** Those that have not happened. */
  get left(): readonly FaultName[] {
    return [...this.#waiting].map(({ fault }) => fault);
  }
}

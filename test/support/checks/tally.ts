/** What a TermChecker counts of each transaction, on its own account. */
import type { Vote } from '../../../src/core/messages.ts';
import type { DecisionRecord } from '../../../src/core/records.ts';
import type { TermRequest } from '../../../src/core/term/events.ts';
import type { Instance } from '../logs/log-model.ts';

export interface Asked {
  readonly message: TermRequest & { readonly id: number };
  /** The instance that asked, where a participant did. */
  readonly instance: Instance | null;
  readonly connection: number;
  /** A doubt whose connection went: there is no one left to answer. */
  excused: boolean;
  finals: number;
}

export interface BranchTally {
  readonly participant: string;
  owner: Instance | null;
  /** Where the latest prepare went, while that connection is open. */
  prepareConnection: number | null;
  vote: Vote | null;
  acknowledged: boolean;
  /** An operator spoke for it. */
  byHand: boolean;
}

export interface Tally {
  readonly requestId: string | null;
  readonly attempt: number;
  readonly branches: Map<string, BranchTally>;
  prepared: boolean;
  decides: number;
  written: boolean;
  commanded: 'commit' | 'rollback' | null;
  toldAborted: boolean;
  toldCommitted: boolean;
  /** Told committed, and nothing in the log. */
  unrecorded: boolean;
  /** The log's answer to its decision came in. */
  decided: boolean;
  forgotten: boolean;
}

export function emptyTally(requestId: string | null, attempt: number): Tally {
  return {
    requestId,
    attempt,
    branches: new Map(),
    prepared: false,
    decides: 0,
    written: false,
    commanded: null,
    toldAborted: false,
    toldCommitted: false,
    unrecorded: false,
    decided: false,
    forgotten: false,
  };
}

export function emptyBranch(participant: string): BranchTally {
  return {
    participant,
    owner: null,
    prepareConnection: null,
    vote: null,
    acknowledged: false,
    byHand: false,
  };
}

export function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what);
}

/** 8.7: the instance to which the prepare was first sent, or one of the same shared resource. */
export function owns(
  instance: Instance,
  branch: Pick<BranchTally, 'participant' | 'owner'>,
): boolean {
  const { owner } = branch;
  return (
    owner !== null &&
    instance.participant === branch.participant &&
    (owner.instance === instance.instance ||
      (owner.sharedResource !== null && owner.sharedResource === instance.sharedResource))
  );
}

/**
 * Of a commit that a scan handed over: decided by somebody else, and owed by all of its branches.
 */
export function recordedTally(record: DecisionRecord): Tally {
  const tally = emptyTally(record.requestId ?? null, 0);
  tally.written = true;
  for (const { branch, participant, instance, sharedResource = null } of record.branches) {
    tally.branches.set(branch, {
      ...emptyBranch(participant),
      owner: { participant, instance, sharedResource },
      vote: 'commit',
    });
  }
  return tally;
}

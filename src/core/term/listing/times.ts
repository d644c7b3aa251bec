/**
 * When the parts of an ended transaction were, and how large: what a waterfall of it is drawn from.
 * Whole numbers in one list, for there are many ended ones.
 */
import { type Transaction, unknown } from '../../transaction.ts';
import { weightOf } from '../../weight.ts';
import type { Branch } from '../branch.ts';

export interface BranchTimes {
  readonly sentMs: number | null;
  readonly votedMs: number | null;
  readonly settledMs: number | null;
  readonly payloadBytes: number;
  readonly resultBytes: number | null;
}

const ofTransaction = 2;
const ofBranch = 5;

export function timesOf({ decidedUs, timeoutMs, branches }: Transaction): readonly number[] {
  const times = new Array<number>(ofTransaction + ofBranch * branches.size);
  times[0] = decidedUs;
  times[1] = Math.round(timeoutMs);
  let at = ofTransaction;
  for (const { sentUs, votedUs, settledUs, payloadBytes, result } of branches.values()) {
    times[at] = sentUs;
    times[at + 1] = votedUs;
    times[at + 2] = settledUs;
    times[at + 3] = payloadBytes;
    times[at + 4] = result === undefined ? unknown : weightOf(result);
    at += ofBranch;
  }
  return times;
}

export function decidedMsIn(times: readonly number[]): number | null {
  return ms(times[0]);
}

export function timeoutMsIn(times: readonly number[]): number | null {
  return times[1] ?? null;
}

/** `index`: of the branch, in the order of its transaction. */
export function branchTimesIn(times: readonly number[], index: number): BranchTimes {
  const at = ofTransaction + ofBranch * index;
  const resultBytes = times[at + 4] ?? unknown;
  return {
    sentMs: ms(times[at]),
    votedMs: ms(times[at + 1]),
    settledMs: ms(times[at + 2]),
    payloadBytes: times[at + 3] ?? 0,
    resultBytes: resultBytes === unknown ? null : resultBytes,
  };
}

/** Of one in memory. */
export function branchTimes({
  sentUs,
  votedUs,
  settledUs,
  payloadBytes,
  result,
}: Branch): BranchTimes {
  return {
    sentMs: ms(sentUs),
    votedMs: ms(votedUs),
    settledMs: ms(settledUs),
    payloadBytes,
    resultBytes: result === undefined ? null : weightOf(result),
  };
}

export function ms(us: number = unknown): number | null {
  return us === unknown ? null : us / 1_000;
}

/** What a `submit` has done so far: counts and latencies, in constant memory. */
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { Latencies } from './latencies.ts';
import type { Ended } from './transact.ts';

export type SubmitOutcome = Ended['outcome'];

/** Why no more lines were read before the end of the input. */
export type StopCause = 'SIGINT' | 'SIGTERM' | 'output' | 'unreachable';

export class Tally {
  readonly latencies: Latencies = new Latencies();
  readonly counts: Record<SubmitOutcome, number> = {
    committed: 0,
    aborted: 0,
    unknown: 0,
    refused: 0,
  };
  /** By code, of what did not commit. Codes are of a fixed list, so this stays small. */
  readonly codes: Record<Exclude<SubmitOutcome, 'committed'>, Map<string, number>> = {
    aborted: new Map(),
    unknown: new Map(),
    refused: new Map(),
  };
  badLines = 0;

  get ended(): number {
    const { committed, aborted, unknown, refused } = this.counts;
    return committed + aborted + unknown + refused;
  }

  add(ended: Ended, ms: number): void {
    this.counts[ended.outcome] += 1;
    this.latencies.add(ms);
    if (ended.outcome === 'committed') return;
    const codes = this.codes[ended.outcome];
    const code = ended.outcome === 'aborted' ? ended.reason.code : ended.error.code;
    codes.set(code, (codes.get(code) ?? 0) + 1);
  }
}

/** The worst of what happened: a stop first, for it says that lines are left over. */
export function exitCodeOf(tally: Tally, stopCause: StopCause | null): ExitCode {
  if (stopCause !== null) {
    return {
      SIGINT: exitCodes.interrupted,
      SIGTERM: exitCodes.terminated,
      output: exitCodes.outputGone,
      unreachable: exitCodes.unreachable,
    }[stopCause];
  }
  if (tally.counts.unknown + tally.counts.refused > 0) return exitCodes.notDone;
  return tally.badLines > 0 ? exitCodes.badLines : exitCodes.ok;
}

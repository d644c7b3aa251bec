/**
 * Recovery and judgement: what the log holds is taken up, and what is asked is answered from memory
 * and then the log (docs/PROTOCOL.md, sections 5 and 6). The door of the room.
 */
import type { TermState } from '../state.ts';

export { decisionRead, query, resolve, witnessRead } from './judgement.ts';
export { lose, lostRead } from './lost.ts';
export { answerLateVote, inDoubtRead, keptRead, report, reportWitnessesRead } from './report.ts';
export { scanEnded, scanned, scanStarted } from './scan.ts';
export { status, statusRead } from './status.ts';

export interface RecoveryState {
  /** How many run. */
  scans: number;
  /** Taken up by the last scan. */
  resumed: number;
}

export function recoveryState(): RecoveryState {
  return { scans: 0, resumed: 0 };
}

export function resumedByScan({ recovery }: TermState): number {
  return recovery.resumed;
}

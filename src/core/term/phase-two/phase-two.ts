/** Phase 2: commands, acknowledgements, the end of a transaction. The door of the room. */
import type { Transaction } from '../../transaction.ts';
import type { Txid } from '../../txid.ts';
import type { TermState } from '../state.ts';

export {
  abandonRollback,
  acknowledge,
  command,
  isRetired,
  resend,
  retry,
  sendWaiting,
  settleBranch,
  settleIfDone,
} from './commands.ts';
export { finished } from './settle.ts';

export interface PhaseTwoState {
  /** Transactions whose record is on its way from decisions/ to finished/. */
  readonly finishing: Map<Txid, Transaction>;
}

export function phaseTwoState(): PhaseTwoState {
  return { finishing: new Map() };
}

export function finishing({ phaseTwo }: TermState): ReadonlyMap<Txid, Transaction> {
  return phaseTwo.finishing;
}

import type { DecisionLog } from '../../ports/decision-log.ts';
import { LocalLog, type LocalLogOptions } from '../local-log.ts';

/**
 * A node's view of a decision log in memory: for tests, the simulation, and the library mode of
 * those who need no durability.
 */
export function openMemoryLog(
  options: Omit<LocalLogOptions, 'takeover'> & Partial<Pick<LocalLogOptions, 'takeover'>>,
): DecisionLog {
  return new LocalLog({ takeover: false, ...options });
}

import type { DecisionLog } from '../../ports/decision-log.ts';
import { LocalLog, type LocalLogOptions } from '../local-log.ts';

/** A node's view of a log in memory: for tests, and where no durability is needed. */
export function openMemoryLog(
  options: Omit<LocalLogOptions, 'takeover'> & Partial<Pick<LocalLogOptions, 'takeover'>>,
): DecisionLog {
  return new LocalLog({ takeover: false, ...options });
}

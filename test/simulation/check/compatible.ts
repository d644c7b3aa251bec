import type { LockMode } from '../../../src/core/locks/modes.ts';

/** The rule of lock modes in the plainest way. The table has it in its queues. */
export function compatible(one: LockMode, other: LockMode): boolean {
  return one === 'shared' && other === 'shared';
}

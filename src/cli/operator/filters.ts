/** Which transactions and locks are asked for. */
import type { List, Locks } from '../../core/messages.ts';

export type ListFilter = Pick<List, 'state' | 'attention'> & { readonly limit: number };
export type LocksFilter = Pick<Locks, 'group' | 'waiting'> & { readonly limit: number };

/** As many as a node lists at most. */
export const maxListLimit = 1_000;

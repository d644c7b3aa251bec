/**
 * The machines of one participant. Most have one. With `retire` a second stands by, empty, for when an operator has given the first
 * one up.
 */

import { MemoryKeys } from '../../src/system/memory-keys.ts';
import type { Holding } from './actors/application.ts';
import type { Faults } from './faults.ts';

export interface Member {
  /** The machine's. */
  readonly name: string;
  readonly participant: string;
  readonly journal: MemoryKeys;
  /** What its application keeps: the same map for all who work on one store. */
  readonly holdings: Map<string, Holding>;
  /** It starts when it is needed. */
  readonly standsBy: boolean;
}

export function fleetOf(participant: string, faults: Faults): readonly Member[] {
  const member = (name: string, standsBy: boolean): Member => ({
    name,
    participant,
    journal: new MemoryKeys(),
    holdings: new Map(),
    standsBy,
  });
  const fleet = [member(participant, false)];
  if (faults.retire !== undefined) fleet.push(member(`${participant}.new`, true));
  return fleet;
}

/** Of the machine that has this name. */
export function participantOf(machine: string): string {
  return machine.split('.')[0] ?? machine;
}

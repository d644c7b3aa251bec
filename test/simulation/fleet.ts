/**
 * The machines of one participant. Most have one. With `siblings`, `journal-lost` or
 * `left-to-sibling` two work on one store, as on a database, each with a journal of its own; with
 * `retire` a second stands by, empty, for when an operator has given the first one up, and with
 * `retire-shared` a third for when the store is given up. With `shared-journal` two processes have
 * one journal, and one store. With `store-keeps` the store keeps votes, which the journal writes
 * late.
 */
import { MemoryKeys } from '../../src/store/memory-keys.ts';
import type { Holding } from './actors/application.ts';
import type { Faults } from './faults.ts';
import type { Chance } from './world/chance.ts';

export interface Member {
  /** The machine's. */
  readonly name: string;
  readonly participant: string;
  /** On its disk. */
  journal: MemoryKeys;
  /** What its application keeps: the same map for all who work on one store. */
  readonly holdings: Map<string, Holding>;
  /** The store's name, where several work on it. */
  readonly store: string | null;
  /** Several processes have this journal, and say so (`sharedResource`). */
  readonly sharesJournal: boolean;
  /** The store keeps votes: `Resource.keepsVotes`. */
  readonly keeps: boolean;
  /** It starts when it is needed. */
  readonly standsBy: boolean;
}

const sharing = ['siblings', 'journal-lost', 'left-to-sibling'] as const;

export function fleetOf(participant: string, faults: Faults, chance: Chance): readonly Member[] {
  const retires = faults['retire-shared'] !== undefined;
  const shares = retires || sharing.some((name) => faults[name] !== undefined);
  const isShared = shares && chance.happens(0.6);
  const keeps = faults['store-keeps'] !== undefined && chance.happens(0.8);
  const holdings = new Map<string, Holding>();
  const member = (name: string, more: Partial<Member>): Member => ({
    name,
    participant,
    journal: new MemoryKeys(),
    holdings,
    store: isShared || keeps ? `store of ${participant}` : null,
    keeps,
    sharesJournal: false,
    standsBy: false,
    ...more,
  });
  const first = member(participant, {});
  if (!isShared && !keeps && faults['shared-journal'] !== undefined && chance.happens(0.6)) {
    const one = member(participant, { sharesJournal: true });
    return [one, { ...one, name: `${participant}.b`, standsBy: chance.happens(0.5) }];
  }
  const fresh = (): Member =>
    member(`${participant}.new`, { standsBy: true, holdings: new Map(), store: null });
  if (isShared) {
    const second = member(`${participant}.b`, { standsBy: chance.happens(0.5) });
    return retires ? [first, second, fresh()] : [first, second];
  }
  return faults.retire === undefined ? [first] : [first, fresh()];
}

/** Of the machine that has this name. */
export function participantOf(machine: string): string {
  return machine.split('.')[0] ?? machine;
}

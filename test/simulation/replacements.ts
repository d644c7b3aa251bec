/** Participants that another takes the place of: retired by an operator, updated one after the other, back without their journal. */
import { retireInstance } from './actors/operator.ts';
import type { Cluster } from './injector.ts';
import type { Chance } from './world/chance.ts';

export interface ReplacementOptions {
  readonly comesBackMsMax: number;
  /** Where an operator reaches the nodes. */
  readonly urls: readonly string[];
  /** Told of each machine whose instance an operator gives up. */
  readonly gaveUp: (machine: string) => void;
  /** Told of each machine that comes back without its journal. */
  readonly journalLost: (machine: string) => void;
}

export class Replacements {
  readonly #with: ReplacementOptions;

  constructor(options: ReplacementOptions) {
    this.#with = options;
  }

  /**
   * An operator gives an instance up, rightly or not: in a third of the cases it runs, and in others it comes back. Where it is
   * gone another takes its part, with nothing of what the first one had.
   */
  retire({ world, network, participants }: Cluster, chance: Chance): void {
    const { urls, gaveUp, comesBackMsMax } = this.#with;
    const machine = chance.pick(participants);
    const { role: participant, instance } = machine;
    const other = participants.find(
      ({ role, retired, starts }) => role === participant && retired && starts === 0,
    );
    if (instance === null || machine.isSibling || machine.retired || other === undefined) return;
    const giveUp = (): void => {
      gaveUp(machine.name);
      other.retired = false;
      world.after(chance.logarithmic(20, 3_000), () => other.start());
      void retireInstance({ world, network, urls, participant, instance });
    };
    if (chance.happens(0.3)) return giveUp();
    machine.retired = true;
    const effects = chance.whole(1, 4);
    const comesBackMs = chance.happens(0.5) ? chance.logarithmic(50, comesBackMsMax) : null;
    // With a vote that is on its disk, which it may or may not have sent.
    machine.atNextVote = () => machine.process?.doom(effects, false);
    world.after(chance.logarithmic(100, 3_000), () => {
      machine.atNextVote = null;
      machine.vanish();
      giveUp();
      if (comesBackMs === null) return;
      world.after(comesBackMs, () => {
        machine.retired = false;
        machine.start();
      });
    });
  }

  /** One of those that work on a store begins; where all do, one ends, as in a rolling update, or its disk is lost. */
  replace(
    { world, participants }: Cluster,
    chance: Chance,
    { loses }: { readonly loses: boolean },
  ): void {
    const fleet = participants.filter(({ isSibling }) => isSibling);
    if (fleet.length === 0) return;
    const one = chance.pick(fleet);
    const other = fleet.find(({ role, name }) => role === one.role && name !== one.name);
    if (other?.retired === true) {
      other.retired = false;
      other.start();
      return;
    }
    const end = (): void => {
      if (loses) {
        one.loseJournal();
        this.#with.journalLost(one.name);
      } else one.process?.kill();
    };
    // At any moment, or with a vote that is on its disk and may just have been sent.
    if (chance.happens(0.5)) return end();
    one.atNextVote = () => {
      one.atNextVote = null;
      world.after(chance.logarithmic(0.1, 20), end);
    };
  }
}

/**
 * Participants that another takes the place of: retired by an operator, updated one after the
 * other, back without their journal.
 */
import type { Retired } from '../../src/core/retired.ts';
import type { Txid } from '../../src/core/txid.ts';
import { acknowledge, retire, retry } from './actors/operator.ts';
import type { ParticipantMachine } from './actors/participant.ts';
import type { Cluster } from './injector.ts';
import type { Chance } from './world/chance.ts';

export interface ReplacementOptions {
  readonly maxComesBackMs: number;
  /** Where an operator reaches the nodes. */
  readonly urls: readonly string[];
  /** Told of each machine whose instance an operator gives up. */
  readonly gaveUp: (machine: string) => void;
  /** Told of each machine whose instance is given up, while siblings can finish what it did. */
  readonly left: (machine: string) => void;
  /** Commits that are not acknowledged by all: of this machine, or of any. */
  readonly owed: (machine: string | null) => readonly Owed[];
  /** Told of each branch for which an operator speaks. */
  readonly spokenFor: (owed: Owed) => void;
  /** Told of each machine that comes back without its journal. */
  readonly journalLost: (machine: string) => void;
}

export interface Owed {
  readonly txid: Txid;
  readonly branch: string;
}

export class Replacements {
  readonly #with: ReplacementOptions;
  readonly #retired: Retired[] = [];
  /** Participants of which an operator has given up one of several, or all. */
  readonly #fewer = new Set<string>();

  constructor(options: ReplacementOptions) {
    this.#with = options;
  }

  /**
   * An operator gives an instance up, rightly or not: in a third of the cases it runs, and in
   * others it comes back. Where it is gone another takes its part, with nothing of what the first
   * one had.
   */
  retire(cluster: Cluster, chance: Chance): void {
    const { world, participants } = cluster;
    const { gaveUp } = this.#with;
    const machine = chance.pick(participants);
    const { role: participant, instance } = machine;
    const other = participants.find(
      ({ role, retired, starts }) => role === participant && retired && starts === 0,
    );
    if (
      instance === null ||
      machine.isSibling ||
      machine.sharesJournal ||
      machine.retired ||
      other === undefined
    )
      return;
    const giveUp = (): void => {
      gaveUp(machine.name);
      other.retired = false;
      world.after(chance.logarithmic(20, 3_000), () => other.start());
      this.#operate(cluster, { participant, instance });
    };
    if (chance.happens(0.3)) return giveUp();
    this.#endForGood(cluster, chance, [machine], giveUp);
  }

  /**
   * Of those who work on a store the operator gives one up, whose branches the other finishes; or
   * the store itself, and then both are told nothing any more, whether they run, are gone or come
   * back, and a third begins with a store of its own.
   */
  retireShared(cluster: Cluster, chance: Chance): void {
    const { world, participants } = cluster;
    const { gaveUp, left } = this.#with;
    // A store that only one machine has is no one's to finish when that one is given up.
    const known = participants.filter(
      ({ isSibling, instance, store, name }) =>
        isSibling &&
        instance !== null &&
        participants.some((other) => other.store === store && other.name !== name),
    );
    if (known.length === 0) return;
    const machine = chance.pick(known);
    const { role: participant, instance, store: sharedResource } = machine;
    if (sharedResource === null || instance === null || this.#fewer.has(participant)) return;
    this.#fewer.add(participant);
    const sharing = participants.filter(({ store }) => store === sharedResource);
    const others = sharing.filter((other) => other !== machine);
    const all = chance.happens(0.5);
    const follow = all
      ? participants.filter(({ role, store }) => role === participant && store === null)
      : others;
    const giveUp = (): void => {
      if (!all) left(machine.name);
      else for (const { name } of sharing) gaveUp(name);
      for (const other of follow) {
        if (!other.retired) continue;
        other.retired = false;
        world.after(chance.logarithmic(20, 3_000), () => other.start());
      }
      this.#operate(cluster, all ? { participant, sharedResource } : { participant, instance });
    };
    if (chance.happens(0.3)) return giveUp();
    this.#endForGood(cluster, chance, all ? [machine, ...others] : [machine], giveUp);
  }

  /**
   * With a vote that is on the disk of the first, which it may or may not have sent. Half of them
   * come back all the same.
   */
  #endForGood(
    { world }: Cluster,
    chance: Chance,
    machines: readonly [ParticipantMachine, ...ParticipantMachine[]],
    then: () => void,
  ): void {
    for (const machine of machines) machine.retired = true;
    const effects = chance.whole(1, 4);
    const comesBackMs = chance.happens(0.5)
      ? chance.logarithmic(50, this.#with.maxComesBackMs)
      : null;
    const [first] = machines;
    first.atNextVote = () => first.process?.doom(effects, false);
    world.after(chance.logarithmic(100, 3_000), () => {
      first.atNextVote = null;
      for (const machine of machines) machine.vanish();
      then();
      if (comesBackMs === null) return;
      world.after(comesBackMs, () => {
        for (const machine of machines) {
          machine.retired = false;
          machine.start();
        }
      });
    });
  }

  /**
   * One of two that work on a store is gone with a vote on its disk, and the other has to end the
   * branch. It comes back, in long runs when the record is collected.
   */
  leaveToSibling({ world, participants }: Cluster, chance: Chance): void {
    const fleet = participants.filter(({ isSibling }) => isSibling);
    if (fleet.length === 0) return;
    const one = chance.pick(fleet);
    const other = fleet.find(({ role, name }) => role === one.role && name !== one.name);
    if (other === undefined || one.retired) return;
    const effects = chance.whole(1, 6);
    const awayMs = chance.between(0.85, 1) * this.#with.maxComesBackMs;
    one.atNextVote = () => {
      one.atNextVote = null;
      one.retired = true;
      one.process?.doom(effects, false);
      world.after(chance.logarithmic(1, 300), () => {
        one.process?.kill();
        other.retired = false;
        other.start();
      });
      world.after(awayMs, () => {
        one.retired = false;
        one.start();
      });
    };
  }

  /**
   * A machine is gone with its vote on the disk, and the operator settles what it owes by hand. It
   * comes back all the same, in long runs when all records that may go are collected. Now and then
   * the operator speaks for one that runs, or has what is owed sent again.
   */
  settleByHand(cluster: Cluster, chance: Chance): void {
    const { world, participants } = cluster;
    if (chance.happens(0.3)) return this.#speakFor(cluster, chance, null);
    const one = chance.pick(participants);
    if (one.retired) return;
    const effects = chance.whole(1, 6);
    const awayMs = chance.between(0.5, 1) * this.#with.maxComesBackMs;
    one.atNextVote = () => {
      one.atNextVote = null;
      if (one.retired) return;
      one.retired = true;
      one.process?.doom(effects, false);
      world.after(chance.logarithmic(1, 300), () => one.process?.kill());
      for (let times = chance.whole(1, 3); times > 0; times -= 1) {
        world.after(chance.logarithmic(300, 8_000), () =>
          this.#speakFor(cluster, chance, one.name),
        );
      }
      world.after(awayMs, () => {
        one.retired = false;
        one.start();
      });
    };
  }

  #speakFor({ world, network }: Cluster, chance: Chance, machine: string | null): void {
    const place = { world, network, urls: this.#with.urls };
    for (const owed of this.#with.owed(machine)) {
      const { txid, branch } = owed;
      if (chance.happens(0.2)) void retry(place, txid);
      if (chance.happens(0.2)) continue;
      this.#with.spokenFor(owed);
      void acknowledge(place, txid, branch);
    }
  }

  #operate({ world, network }: Cluster, retired: Retired): void {
    this.#retired.push(retired);
    void retire({ world, network, urls: this.#with.urls }, retired);
  }

  /** Etcd was set back, and may have forgotten it. */
  retireAgain({ world, network }: Cluster): void {
    for (const retired of this.#retired) {
      void retire({ world, network, urls: this.#with.urls }, retired);
    }
  }

  /**
   * One of those that work on a store begins; where all do, one ends, as in a rolling update, or
   * its disk is lost.
   */
  replace(
    { world, network, participants }: Cluster,
    chance: Chance,
    { loses, journal = false }: { readonly loses: boolean; readonly journal?: boolean },
  ): void {
    const fleet = participants.filter(({ isSibling, sharesJournal }) =>
      journal ? sharesJournal : isSibling,
    );
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
    // At any moment; holding what it prepared, cut off so that the other is asked meanwhile, and
    // ends the branch; or with a vote that is on its disk and may just have been sent.
    if (chance.happens(0.5)) return end();
    if (journal && chance.happens(0.5)) {
      one.atNextPrepare = () => {
        one.atNextPrepare = null;
        one.diesBeforeVote = true;
        for (const { dialler } of network.wires)
          if (dialler.process === one.process) dialler.snap();
      };
      return;
    }
    one.atNextVote = () => {
      one.atNextVote = null;
      world.after(chance.logarithmic(0.1, 20), end);
    };
  }
}

/**
 * What the connections of an attack learn from the node, and share; and what they have promised.
 */
import type { FromNode, ToNode } from '../../src/core/messages.ts';
import type { Epoch, Txid } from '../../src/core/txid.ts';
import type { Living } from './frames.ts';

type BranchOf = { readonly txid: Txid; readonly branch: string };

/** Of what was heard of lately. What is older has ended. */
const maxRemembered = 40;

export class Loot implements Living {
  readonly #txids: Txid[] = [];
  readonly #branches: BranchOf[] = [];
  #spiedTxids: readonly Txid[] = [];
  #spiedBranches: readonly BranchOf[] = [];
  #turn = 0;
  readonly epochs: Epoch[] = [];
  readonly participants: readonly string[];
  /** `participant txid/branch` of every vote that was not an abort, whoever had the right to it. */
  readonly votes: Set<string> = new Set();

  constructor(participants: readonly string[]) {
    this.participants = participants;
  }

  /** Every other time those of other people, while there are any under way. */
  get txids(): readonly Txid[] {
    return this.#others() && this.#spiedTxids.length > 0 ? this.#spiedTxids : this.#txids;
  }

  get branches(): readonly BranchOf[] {
    return this.#others() && this.#spiedBranches.length > 0 ? this.#spiedBranches : this.#branches;
  }

  #others(): boolean {
    this.#turn += 1;
    // Of every four: the first two looks, at txids and at branches, are at the same.
    return this.#turn % 4 < 2;
  }

  heard(message: FromNode): void {
    switch (message.type) {
      case 'welcome':
        for (const leader of message.leaders) {
          if (leader !== null && !this.epochs.includes(leader.epoch)) {
            this.epochs.push(leader.epoch);
          }
        }
        return;
      case 'begun':
        return remember(this.#txids, message.txid);
      case 'prepare':
      case 'commit':
      case 'rollback':
        remember(this.#txids, message.txid);
        return remember(this.#branches, { txid: message.txid, branch: message.branch });
      default:
    }
  }

  /** What is under way at the moment, as an operator sees it. */
  spied(
    transactions: readonly { readonly txid: Txid; readonly branches: readonly string[] }[],
  ): void {
    this.#spiedTxids = transactions.map(({ txid }) => txid);
    this.#spiedBranches = transactions.flatMap(({ txid, branches }) =>
      branches.map((branch) => ({ txid, branch })),
    );
  }

  sent(participant: string, message: ToNode): void {
    if (message.type !== 'vote' || message.vote === 'abort') return;
    this.votes.add(`${participant} ${message.txid}/${message.branch}`);
  }
}

function remember<T>(list: T[], value: T): void {
  list.push(value);
  if (list.length > maxRemembered) list.shift();
}

/** What the connections of an attack learn from the node, and share; and what they have promised. */
import type { FromNode, ToNode } from '../../src/core/messages.ts';
import type { Epoch, Txid } from '../../src/core/txid.ts';
import type { Living } from './frames.ts';

/** Of what was heard of lately. What is older has ended. */
const rememberedMax = 200;

export class Loot implements Living {
  readonly txids: Txid[] = [];
  readonly branches: { readonly txid: Txid; readonly branch: string }[] = [];
  readonly epochs: Epoch[] = [];
  readonly participants: readonly string[];
  /** `participant txid/branch` of every vote that was not an abort, whoever had the right to it. */
  readonly votes: Set<string> = new Set();

  constructor(participants: readonly string[]) {
    this.participants = participants;
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
        return remember(this.txids, message.txid);
      case 'prepare':
      case 'commit':
      case 'rollback':
        remember(this.txids, message.txid);
        return remember(this.branches, { txid: message.txid, branch: message.branch });
      default:
    }
  }

  /** Of other people's transactions, as an operator sees them. */
  spied(txid: Txid, branches: readonly string[]): void {
    remember(this.txids, txid);
    for (const branch of branches) remember(this.branches, { txid, branch });
  }

  sent(participant: string, message: ToNode): void {
    if (message.type !== 'vote' || message.vote === 'abort') return;
    this.votes.add(`${participant} ${message.txid}/${message.branch}`);
  }
}

function remember<T>(list: T[], value: T): void {
  list.push(value);
  if (list.length > rememberedMax) list.shift();
}

/** Holds everything that anybody says about a transaction against what is true: I2, I5, I8. */
import type { FromNode, ToNode } from '../../../src/core/messages.ts';
import { scoped } from '../../../src/core/scope.ts';
import { participantOf } from '../fleet.ts';
import { clientNameOf } from '../workload.ts';
import type { SimProcess } from '../world/process.ts';
import type { Facts } from './facts.ts';

export class MessageCheck {
  readonly #facts: Facts;

  constructor(facts: Facts) {
    this.#facts = facts;
  }

  sent(from: SimProcess, to: SimProcess, message: FromNode | ToNode): void {
    const facts = this.#facts;
    switch (message.type) {
      case 'transact': {
        const { requestId, epoch, attempt = 1 } = message;
        if (requestId !== undefined && epoch !== undefined) {
          facts.request(scoped(clientNameOf(from.name), requestId)).sent(epoch, attempt);
        }
        return;
      }
      case 'enlisted':
        facts.at(message.txid).enlisted.add(message.branch);
        return;
      case 'vote':
        facts.voted(message.txid, message.branch, message.vote);
        return;
      case 'ack':
        // Once all have acknowledged the record may go: it would be told "abort" (8.11).
        facts.checkOf(
          message.txid,
          !message.ok ||
            message.decision !== 'commit' ||
            !facts.bareVotes.has(`${from.name} ${message.txid}/${message.branch}`),
          'I10',
          `${from.name} acknowledged the commit of ${message.txid}, and its disk says in doubt`,
        );
        return;
      case 'prepare':
        facts.checkOf(
          message.txid,
          !facts.at(message.txid).endedBy.has(incarnation(from)),
          'I3',
          `${from.name} sent a prepare of ${message.txid} after its outcome`,
        );
        facts.prepareSent(message.txid, message.branch, to.name);
        return;
      case 'outcome': {
        facts.at(message.txid).endedBy.add(incarnation(from));
        if (message.outcome === 'aborted') facts.saysAborted(message.txid, to.name);
        else facts.saysCommitted(message.txid, to.name, { readonly: message.readonly === true });
        return;
      }
      case 'decision':
        if (message.decision === 'abort') {
          if (facts.wasLeftToSibling(message.txid, to.name)) return;
          facts.saysAborted(message.txid, to.name);
        } else if (message.decision === 'commit') {
          const readonly = facts.allReadonly(message.txid);
          facts.saysCommitted(message.txid, to.name, { readonly });
        }
        return;
      case 'status':
        if (!('state' in message)) return;
        if (message.state === 'ABORTED' || message.state === 'ABORTING') {
          facts.saysAborted(message.txid, to.name);
        } else if (message.state === 'COMMITTED' || message.state === 'COMMITTING') {
          facts.saysCommitted(message.txid, to.name, {
            readonly: message.branches.every(({ state }) => state === 'readonly'),
          });
        }
        return;
      case 'commit':
        // A node's command names its epoch; a client's request has an id.
        if (!('epoch' in message)) return;
        facts.at(message.txid).endedBy.add(incarnation(from));
        facts.saysCommitted(message.txid, to.name, { readonly: false });
        return;
      case 'rollback':
        if (!('epoch' in message)) return;
        facts.at(message.txid).endedBy.add(incarnation(from));
        facts.saysAborted(message.txid, to.name);
        return;
      case 'forget':
        for (const txid of message.txids) {
          const { record, finished, reduced } = facts.at(txid);
          const own = participantOf(to.name);
          const owes =
            reduced === null
              ? (record?.branches ?? []).length > 0
              : reduced.some(({ participant }) => participant === own);
          facts.checkOf(
            txid,
            record === null || finished || !owes,
            'I9',
            `${to.name} was told to forget ${txid}, whose record is still under decisions/`,
          );
        }
        return;
      case 'error':
        // Neither outcome may be told any more; it has one all the same, and no one works on it.
        if (message.code === 'EXPIRED' && message.txid !== undefined) {
          facts.at(message.txid).saidExpired = true;
        }
        return;
      default:
        return;
    }
  }
}

/** One process, from its start to its death. */
function incarnation({ name, startedAtMs }: SimProcess): string {
  return `${name}@${startedAtMs}`;
}

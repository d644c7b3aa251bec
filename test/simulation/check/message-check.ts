/** Holds everything that anybody says about a transaction against what is true: I2, I5, I8. */
import type { FromNode, ToNode } from '../../../src/core/messages.ts';
import type { SimProcess } from '../world/process.ts';
import type { Facts } from './facts.ts';

export class MessageCheck {
  readonly #facts: Facts;

  constructor(facts: Facts) {
    this.#facts = facts;
  }

  sent(to: SimProcess, message: FromNode | ToNode): void {
    const facts = this.#facts;
    switch (message.type) {
      case 'transact': {
        const { requestId, epoch, attempt = 1 } = message;
        if (requestId !== undefined && epoch !== undefined) {
          facts.request(requestId).sent(epoch, attempt);
        }
        return;
      }
      case 'enlisted':
        facts.at(message.txid).enlisted.add(message.branch);
        return;
      case 'prepare':
        facts.at(message.txid).asked.set(message.branch, to.name);
        return;
      case 'outcome': {
        if (message.outcome === 'aborted') facts.saysAborted(message.txid, to.name);
        else facts.saysCommitted(message.txid, to.name, { readonly: message.readonly === true });
        return;
      }
      case 'decision':
        if (message.decision === 'abort') facts.saysAborted(message.txid, to.name);
        else if (message.decision === 'commit') {
          facts.saysCommitted(message.txid, to.name, { readonly: false });
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
        if ('epoch' in message) facts.saysCommitted(message.txid, to.name, { readonly: false });
        return;
      case 'rollback':
        if ('epoch' in message) facts.saysAborted(message.txid, to.name);
        return;
      default:
        return;
    }
  }
}

/**
 * The one cluster that a participant serves: its journal has voted for it, or it was the first.
 *
 * (!) A journal that voted for one log and then believed another: the log was deleted, or etcd made
 * anew. Its new leader finds no record, and presumes the abort of what the old one had committed;
 * or its epoch, of which the old cluster knows nothing, is made durable, and the old leader is
 * refused from then on. So nothing of a stranger's becomes durable.
 */
import type { Welcome } from '../core/messages.ts';
import { otherClusterCloseCode, otherClusterReason } from '../core/other-cluster.ts';
import type { Txid } from '../core/txid.ts';
import type { Refusal } from '../peer/link-options.ts';
import { VerdictError } from '../peer/verdict-error.ts';
import { JournalError, type ServedCluster } from '../ports/journal.ts';
import { adoptionLine } from './adoption-line.ts';
import type { ParticipantContext } from './context.ts';

export class OtherClusterError extends VerdictError {
  constructor(message: string) {
    super('FORBIDDEN', message, { retryable: false, acted: 'nothing' });
  }
}

export interface OneClusterOptions extends ParticipantContext {
  readonly cluster: ServedCluster | null;
  /** What an operator said that is to be served from now on. */
  readonly adopted: string | null;
  readonly inDoubt: () => readonly { readonly txid: Txid }[];
}

export class OneCluster {
  readonly #given: OneClusterOptions;
  #id: string | null;
  readonly #adopted: string | null;

  constructor(given: OneClusterOptions) {
    this.#given = given;
    const { cluster, adopted } = given;
    // One that never voted may yet serve another, unless it was told which.
    this.#id = cluster?.voted === true ? cluster.id : null;
    this.#adopted = cluster?.id === adopted ? adopted : null;
  }

  get id(): string | null {
    return this.#id;
  }

  /** Null where the node is of the cluster that is served, or of the first that there is. */
  refuses(welcome: Welcome): Refusal | null {
    if (this.#id === welcome.clusterId) return null;
    const served = this.#id ?? this.#adopted;
    if (served !== null && served !== welcome.clusterId) {
      const close = { code: otherClusterCloseCode, reason: otherClusterReason(served) };
      return { error: this.#stranger(served, welcome), close };
    }
    this.#id = welcome.clusterId;
    this.#bind(welcome.clusterId);
    return null;
  }

  /** Ahead of every write that this cluster may cause: the journal's writes are in order. */
  #bind(clusterId: string): void {
    const { journal, fatal } = this.#given;
    journal.bind(clusterId).then((bound) => {
      if (bound) return;
      const text = `Another process of this resource has voted with the same journal for another cluster than ${clusterId}. Point all of them to one.`;
      fatal(new JournalError(text));
    }, fatal);
  }

  #stranger(served: string, { node, cluster, clusterId }: Welcome): VerdictError {
    const inDoubt = this.#given.inDoubt();
    const doubts = inDoubt.length === 0 ? '' : ` ${inDoubt.length} of its branches are in doubt.`;
    const untold = [...new Set(inDoubt.map(({ txid }) => txid))];
    return new OtherClusterError(
      `The node ${node} is of the cluster ${cluster} with the id ${clusterId}; this participant's journal has served the one with the id ${served}, and serves no other.${doubts} ` +
        'Either it is the address of another cluster: correct urls. Or the decision log was deleted or made anew: bring it back, and all ends by itself. ' +
        'Where it is gone for good see docs/OPERATING.md, "A recreated decision log"; then start this service once with ' +
        adoptionLine({ from: served, to: clusterId, untold }),
    );
  }
}

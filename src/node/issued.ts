/**
 * Ids that no leader of this cluster gave out: refused before anything is looked up or written for them. What a term has in
 * memory it gave out itself, which spares the hash for nearly every vote and acknowledgement.
 */
import type { ToNode } from '../core/messages.ts';
import { shardOf, type Txid } from '../core/txid.ts';
import type { CoordinatorNode } from './node.ts';
import type { Session } from './session.ts';

export function isIssued(node: CoordinatorNode, txid: Txid): boolean {
  return node.drivers.get(shardOf(txid))?.term.remembers(txid) === true || node.seal.isIssued(txid);
}

/** Whether the message may go on; answers it where not. A vote, or an acknowledgement, has no answer. */
export function admitsTxid(
  node: CoordinatorNode,
  session: Session,
  message: Extract<ToNode, { readonly txid: Txid }>,
): boolean {
  const { txid } = message;
  if (isIssued(node, txid)) return true;
  if (!('id' in message)) return false;
  session.fail(
    message.id,
    'UNKNOWN_TRANSACTION',
    'No leader of this cluster ever gave out that txid: it is made up or mistyped, or of another cluster or decision log. Nothing was done.',
  );
  return false;
}

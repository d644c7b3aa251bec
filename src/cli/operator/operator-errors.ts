/** Why a cluster does not do what an operator asks it. */
import type { Txid } from '../../core/txid.ts';
import type { RequestType } from '../../peer/requests.ts';
import { VerdictError } from '../../peer/verdict-error.ts';
import { CommandError } from '../command-error.ts';
import { rangesText } from '../top/lines.ts';

export function unled(shards: readonly number[]): VerdictError {
  const which = `${shards.length === 1 ? 'shard' : 'shards'} ${rangesText(shards)}`;
  const text = `No one is known to lead ${which}. \`verdict status\` says more, and so does \`verdict doctor\`, best with --etcd.`;
  return new VerdictError('TIMEOUT', text, { retryable: true, acted: 'nothing' });
}

export function cannotExplain(txid: Txid): CommandError {
  const text = `The nodes that answer run a version that cannot explain. Ask them with: verdict tx show ${txid}`;
  return new CommandError('REFUSED', text);
}

export function olderNode(type: RequestType, cause: VerdictError): CommandError {
  const text = `The node that was asked runs an earlier version, which does not know ${type}. Nothing was done. Upgrade it first: \`verdict doctor\` shows the versions.`;
  return new CommandError('REFUSED', text, { cause });
}

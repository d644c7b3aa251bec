/**
 * What a node sends where a message is too large for any frame. A node's core must not fail, nor a
 * client wait in vain, because 128 participants brought back a megabyte each.
 */
import { errorFacts } from '../../core/codes.ts';
import type { FromNode } from '../../core/messages.ts';

/** The same with less in it, or an error in its place; null where nothing can stand for it. */
export function smallerMessage(message: FromNode): FromNode | null {
  switch (message.type) {
    case 'outcome': {
      // The outcome itself must arrive, whatever else does not.
      if (message.results !== null) return { ...message, results: null };
      if (message.reason?.detail === undefined) return null;
      const { detail: _detail, ...reason } = message.reason;
      return { ...message, reason };
    }
    case 'status':
    case 'list':
    case 'locks':
    case 'info':
      return {
        type: 'error',
        id: message.id,
        code: 'TOO_LARGE',
        message: `The ${message.type} reply is larger than a frame may be. Ask for less.`,
        retryable: errorFacts.TOO_LARGE.retryable,
      };
    default:
      // A prepare that cannot be sent runs into its time-out, which aborts the transaction.
      return null;
  }
}

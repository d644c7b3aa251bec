/** What the codes of the peers' own errors mean, for people: a table in the docs. */
import type { ErrorEntry } from '../core/catalogue.ts';
import { type PeerErrorCode, peerErrorFacts } from './verdict-error.ts';

export const peerErrorCatalogue: Readonly<Record<PeerErrorCode, ErrorEntry>> = {
  CONNECTION_LOST: {
    ...peerErrorFacts.CONNECTION_LOST,
    text: 'The connection ended before the reply came, or there is none. If the error says that nothing was done, the request was never sent.',
    look: 'Whether the addresses answer: `verdict status --url HOST:PORT`.',
  },
  TIMEOUT: {
    ...peerErrorFacts.TIMEOUT,
    text: 'No reply came within the time-out of the call. The request may still be carried out.',
    look: 'How long the call takes compared with its time-out; the load of the node.',
  },
  ABORTED_BY_CALLER: {
    ...peerErrorFacts.ABORTED_BY_CALLER,
    text: 'The AbortSignal of the call fired. The request may still be carried out: if there is a txid, ask for its status.',
    look: 'The code that fired it.',
  },
  CLOSED: {
    ...peerErrorFacts.CLOSED,
    text: 'The client or participant was closed. Make a new one.',
    look: 'The code that closed it, and whether calls were still to come.',
  },
  INVALID_PAYLOAD: {
    ...peerErrorFacts.INVALID_PAYLOAD,
    text: 'A payload holds what cannot be sent. The message says where, and what to send in its place.',
    look: 'Where the payload came from: JSON.parse makes Infinity of 1e400. What may be sent is in PARTICIPANTS.md, "What may be sent".',
  },
};

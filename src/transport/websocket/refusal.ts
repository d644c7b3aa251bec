/** Whether an upgrade request is let in, and if not, with which HTTP status and text. */
import type { IncomingMessage } from 'node:http';
import { subprotocol, webSocketPath } from '../../wire/address.ts';
import { isOwnHost } from './own-host.ts';

export interface Door {
  /** Origins let in besides the node's own address. */
  readonly origins: readonly string[];
  /** Of this node: those by which its own page may reach it. */
  readonly hostNames: readonly string[];
  /** TLS is spoken: a page that came without it is another's. */
  readonly isPrivate: boolean;
  readonly stopping: boolean;
  /** What is wrong with what was shown; null: nothing, or its hello is to bring it. */
  readonly wrong: string | null;
  readonly full: boolean;
  readonly fullForAddress: boolean;
}

export interface Refusal {
  readonly status: number;
  readonly text: string;
}

export function refusalOf(request: IncomingMessage, door: Door): Refusal | null {
  const { headers } = request;
  if ((request.url ?? '').split('?', 1)[0] !== webSocketPath) {
    return { status: 404, text: `WebSocket connections are taken at ${webSocketPath}.` };
  }
  if (headers.origin !== undefined && !isOwnOrigin(headers.origin, headers.host, door)) {
    return { status: 403, text: otherSite };
  }
  // It would be read as frames.
  if (Number(headers['content-length'] ?? 0) !== 0 || 'transfer-encoding' in headers) {
    return { status: 400, text: 'A request to upgrade has no body.' };
  }
  const offered = headers['sec-websocket-protocol'];
  if (offered !== undefined && !offered.split(',').some((name) => name.trim() === subprotocol)) {
    return { status: 400, text: `The only subprotocol spoken here is ${subprotocol}.` };
  }
  if (door.wrong !== null) return { status: 401, text: door.wrong };
  if (door.stopping) return { status: 503, text: 'The node stops.' };
  if (door.full) return { status: 503, text: 'The node has no connection left. Try again later.' };
  return door.fullForAddress ? crowded : null;
}

const otherSite =
  'Pages of other sites may not connect. A name of the node that it does not know is given with --console-host.';

export const crowded: Refusal = { status: 429, text: 'Too many connections from this address.' };

/**
 * Browsers send an `Origin`, other clients do not: else any page a user opens could drive a
 * coordinator on the user's own machine. The page of this very node is let in: its origin is where
 * the request goes to, and that has a name of the node.
 */
function isOwnOrigin(origin: string, host: string | undefined, door: Door): boolean {
  if (door.origins.includes(origin)) return true;
  if (!URL.canParse(origin)) return false;
  const url = new URL(origin);
  if (door.isPrivate && url.protocol !== 'https:') return false;
  return url.host === host?.toLowerCase() && isOwnHost(host, door.hostNames);
}

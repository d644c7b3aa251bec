/** Whether an upgrade request is let in, and if not, with which HTTP status and text. */
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { subprotocol, webSocketPath } from '../../wire/address.ts';

export interface Door {
  /** Origins let in besides the node's own address. */
  readonly origins: readonly string[];
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
  if (headers.origin !== undefined && !isOwnOrigin(headers.origin, headers.host, door.origins)) {
    return { status: 403, text: 'Pages of other sites may not connect.' };
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

export const crowded: Refusal = { status: 429, text: 'Too many connections from this address.' };

/**
 * Browsers send an `Origin`, other clients do not: else any page a user opens could drive a
 * coordinator on the user's own machine. A name equal to the `Host` is not enough, for a page can
 * point its own name at 127.0.0.1 (DNS rebinding): it must be an address, localhost, or listed.
 */
function isOwnOrigin(origin: string, host: string | undefined, listed: readonly string[]): boolean {
  if (listed.includes(origin)) return true;
  if (!URL.canParse(origin)) return false;
  const url = new URL(origin);
  const name = url.hostname.replace(/^\[|\]$/g, '');
  return url.host === host && (name === 'localhost' || isIP(name) !== 0);
}

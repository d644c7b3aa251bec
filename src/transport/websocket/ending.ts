/**
 * Ends sockets in portions. Thousands may go at once, by a broken network or a shared time-out.
 */
import type { Socket } from 'node:net';
import type { Portions } from './portions.ts';

/** That the peer ended, and that this side destroyed the socket, takes effect in its portion. */
export function endInPortions(socket: Socket, portions: Portions): void {
  tellEndLater(socket, portions);
  destroyLater(socket, portions);
}

/** The answer to an end is one of our own, which costs more than to read the peer's. */
function tellEndLater(socket: Socket, portions: Portions): void {
  const push = socket.push;
  let ended = false;
  socket.push = (chunk, encoding) => {
    if (chunk !== null) return push.call(socket, chunk, encoding);
    if (!ended) {
      ended = true;
      portions.later(() => {
        push.call(socket, null);
        // Node asks for the next bytes after it has pushed: only that brings out the end.
        socket.read(0);
      });
    }
    return false;
  };
}

/** It is not read until then. */
function destroyLater(socket: Socket, portions: Portions): void {
  const destroy = socket.destroy;
  let waits = false;
  socket.destroy = (error) => {
    if (!waits) {
      waits = true;
      socket.pause();
      portions.later(() => destroy.call(socket, error));
    }
    return socket;
  };
}

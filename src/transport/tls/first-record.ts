/**
 * Waits until the first record of a socket is whole, and gives it back to be read: who says nothing
 * or half of it costs no handshake. What is no TLS is given back at once.
 */
import { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';

const headerBytes = 5;
const handshakeRecord = 0x16;

export function whenFirstRecord(socket: Socket, then: () => void): void {
  let came: Buffer = Buffer.alloc(0);
  const ended = (): void => {
    socket.destroy();
  };
  const received = (chunk: Buffer): void => {
    came = came.length === 0 ? chunk : Buffer.concat([came, chunk]);
    if (!isWhole(came)) return;
    socket.off('data', received);
    socket.off('end', ended);
    socket.pause();
    socket.unshift(came);
    then();
  };
  socket.on('data', received);
  socket.once('end', ended);
}

/** A record has 16 KiB at most, so little is ever held here. */
function isWhole(came: Buffer): boolean {
  if (came[0] !== handshakeRecord || came.length > maxHeldBytes) return true;
  return came.length >= headerBytes && came.length >= headerBytes + came.readUInt16BE(3);
}

const maxHeldBytes = 16_384;

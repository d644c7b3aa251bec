/** WebSocket by hand: for handshakes and frames that no library makes. */
import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';

export function upgradeRequest(host: string, more = ''): string {
  return (
    `GET /v1 HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
    `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n` +
    `Sec-WebSocket-Protocol: verdict.v1\r\n${more}\r\n`
  );
}

/** A frame, masked with zeros, with a header that claims what it likes. */
export function wireFrame(
  firstByte: number,
  payload: Buffer,
  claimed: number = payload.length,
): Buffer {
  // Of control frames none may have a long length.
  if (claimed < 126) {
    return Buffer.concat([Buffer.from([firstByte, 0x80 | claimed, 0, 0, 0, 0]), payload]);
  }
  const header = Buffer.alloc(14);
  header[0] = firstByte;
  header[1] = 0x80 | 127;
  header.writeBigUInt64BE(BigInt(claimed), 2);
  return Buffer.concat([header, payload]);
}

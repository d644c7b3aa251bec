/**
 * A server that is none of Verdict's, for the same attacks: what they take from the machine is
 * not to be counted as what they do to the node. It answers each message with a few bytes.
 * Run: bystander.ts [CERT KEY CA]; prints its port.
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import process from 'node:process';
import { WebSocketServer } from 'ws';

const [cert, key, ca] = process.argv.slice(2).map((file) => readFileSync(file));
const server =
  cert === undefined
    ? createServer()
    : createSecureServer({ cert, key, ca, requestCert: true, rejectUnauthorized: false });
server.on('clientError', (_error, socket) => socket.destroy());
server.on('connection', (socket) => socket.on('error', () => undefined));
const webSockets = new WebSocketServer({ server, maxPayload: 1_048_576 });
webSockets.on('connection', (socket) => {
  socket.on('error', () => undefined);
  socket.on('message', () => {
    if (socket.bufferedAmount < maxUnreadBytes) socket.send('?');
  });
});
const maxUnreadBytes = 1_048_576;
server.listen({ port: 0, host: '127.0.0.1', backlog: 1_024 }, () => {
  console.log((server.address() as AddressInfo).port);
});
process.on('disconnect', () => process.exit(0));

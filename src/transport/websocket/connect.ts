import type { IncomingMessage } from 'node:http';
import { type ClientOptions, WebSocket } from 'ws';
import { coordinatorOptionTable } from '../../core/coordinator-options.ts';
import type { FromNode, ToNode } from '../../core/messages.ts';
import type { Clock } from '../../ports/clock.ts';
import type { CloseInfo, ConnectionHandler, Dialer } from '../../ports/transport.ts';
import { subprotocol } from '../../wire/address.ts';
import { decodeFrame } from '../../wire/codec.ts';
import { widestLimits } from '../../wire/limits.ts';
import { authorizationFor } from './authorization.ts';
import { closeTimeoutMs, WebSocketConnection } from './connection.ts';

export interface DialerOptions {
  readonly clock: Clock;
  /** Bytes that may wait for the node to read; above it the connection drops. Default 64 MiB. */
  readonly maxBufferedBytes?: number;
}

const socketOptions: ClientOptions & { closeTimeout: number } = {
  perMessageDeflate: false,
  maxPayload: widestLimits.maxFrameBytes,
  closeTimeout: closeTimeoutMs,
};

export function webSocketDialer(options: DialerOptions): Dialer {
  const { clock, maxBufferedBytes = coordinatorOptionTable.maxBufferedBytes.default } = options;
  return {
    connect({ url, timeoutMs, heartbeatMs, credential }, events) {
      let attempt: 'dialling' | 'open' | 'over' = 'dialling';
      let remoteAddress = '';
      let problem: (Error & { code?: string }) | null = null;
      let late = false;
      let status: number | null = null;

      let socket: WebSocket;
      try {
        const headers =
          credential === undefined ? {} : { authorization: authorizationFor(url, credential) };
        socket = new WebSocket(url, [subprotocol], { ...socketOptions, headers });
      } catch (error) {
        // A bad address throws at once; whoever dials expects to hear of it later.
        const timer = clock.setTimer(0, () => {
          events.failed({ code: 1006, reason: (error as Error).message, kind: 'failed' });
        });
        return { cancel: () => timer.cancel() };
      }

      const deadline = clock.setTimer(timeoutMs, () => {
        late = true;
        socket.terminate();
      });
      socket.once('upgrade', (response: IncomingMessage) => {
        // Cast: Bun's has none.
        const carrier = response.socket as IncomingMessage['socket'] | null;
        remoteAddress = carrier?.remoteAddress ?? '';
      });
      socket.once('unexpected-response', (_request, response: IncomingMessage) => {
        status = response.statusCode ?? 0;
        problem = new Error(
          `It refused the connection: ${status} ${response.statusMessage ?? ''}`.trimEnd(),
        );
        socket.terminate();
      });
      socket.on('error', (error: Error) => {
        problem ??= error;
      });
      socket.once('close', () => {
        deadline.cancel();
        if (attempt !== 'dialling') return;
        attempt = 'over';
        events.failed({
          ...(late ? timedOut(timeoutMs) : failure(problem)),
          ...(status === null ? {} : { status }),
        });
      });
      socket.once('open', () => {
        deadline.cancel();
        if (attempt !== 'dialling') return;
        attempt = 'open';
        const connection = new WebSocketConnection<'from-node', ToNode>({
          socket,
          remoteAddress,
          clock,
          heartbeatMs,
          maxBufferedBytes,
          maxFrameBytes: coordinatorOptionTable.maxFrameBytes.default,
          maxMessageBytes: coordinatorOptionTable.maxFrameBytes.default,
          decode: (data) => decodeFrame(data, { direction: 'from-node', limits: widestLimits }),
        });
        connection.start(learning(connection, events.opened(connection)));
      });
      return {
        cancel() {
          if (attempt !== 'dialling') return;
          attempt = 'over';
          deadline.cancel();
          socket.terminate();
        },
      };
    },
  };
}

/**
 * Takes from the welcome how large a frame the node takes (a larger one is refused here, not by a
 * cut connection) and how often it pings: this side looks for a half-open connection as often.
 */
function learning(
  connection: WebSocketConnection<'from-node', ToNode>,
  handler: ConnectionHandler<FromNode>,
): ConnectionHandler<FromNode> {
  return {
    message(message) {
      if (message.type === 'welcome') {
        connection.maxFrameBytes = message.limits.maxFrameBytes;
        const { min, max } = coordinatorOptionTable.heartbeatMs;
        connection.peerHeartbeatMs = Math.min(Math.max(message.heartbeatMs, min), max);
      }
      handler.message(message);
    },
    invalid: (problem) => handler.invalid(problem),
    closed: (info) => handler.closed(info),
  };
}

function timedOut(timeoutMs: number): CloseInfo {
  return { code: 1006, reason: `No connection within ${timeoutMs} ms.`, kind: 'silent' };
}

function failure(error: (Error & { code?: string }) | null): CloseInfo {
  if (error === null) return { code: 1006, reason: 'The connection did not open.', kind: 'failed' };
  const codes =
    error instanceof AggregateError
      ? error.errors.map((each: Error & { code?: string }) => each.code)
      : [error.code];
  // Every address of the name must refuse before no one can be said to listen.
  const refused = codes.length > 0 && codes.every((code) => code === 'ECONNREFUSED');
  const kind = refused ? 'refused' : error.code === 'ECONNRESET' ? 'reset' : 'failed';
  return { code: 1006, reason: error.message || String(error.code), kind };
}

import type { IncomingMessage } from 'node:http';
import { type ClientOptions, WebSocket } from 'ws';
import { defined } from '../../core/defined.ts';
import type { FromNode, ToNode } from '../../core/messages.ts';
import { nodeBounds } from '../../core/node-bounds.ts';
import type { Clock } from '../../ports/clock.ts';
import type { TlsOptions } from '../../ports/tls.ts';
import type { CloseInfo, ConnectionHandler, Dialer } from '../../ports/transport.ts';
import { proofHeader } from '../../system/token-proof.ts';
import { subprotocol } from '../../wire/address.ts';
import { decodeFrame } from '../../wire/codec.ts';
import { jwtProblem } from '../../wire/jwt.ts';
import { widestLimits } from '../../wire/limits.ts';
import type { Readers } from '../../wire/validate.ts';
import { tlsAdvice } from '../tls/advice.ts';
import { DialCredentials } from '../tls/dial.ts';
import { closeTimeoutMs, WebSocketConnection } from './connection.ts';
import { TokenChallenge } from './token-challenge.ts';

export interface DialerOptions {
  readonly clock: Clock;
  /** Of all that the node may send to whom this connects: to others it is unknown. */
  readonly readers: Readers<'from-node'>;
  /** Bytes that may wait for the node to read; above it the connection drops. Default 64 MiB. */
  readonly maxBufferedBytes?: number;
  /** For addresses with `wss://`. Default: Node's own authorities, and no certificate. */
  readonly tls?: TlsOptions | undefined;
}

const socketOptions: ClientOptions & { closeTimeout: number } = {
  perMessageDeflate: false,
  maxPayload: widestLimits.maxFrameBytes,
  closeTimeout: closeTimeoutMs,
};

export function webSocketDialer(options: DialerOptions): Dialer {
  const { clock, readers, maxBufferedBytes = nodeBounds.maxBufferedBytes.default } = options;
  const tls = new DialCredentials(options.tls);
  return {
    connect({ url, timeoutMs, heartbeatMs, credential, names }, events) {
      let attempt: 'dialling' | 'open' | 'over' = 'dialling';
      let remoteAddress = '';
      let problem: (Error & { code?: string }) | null = null;
      let late = false;
      let answer: Pick<CloseInfo, 'status' | 'said'> = {};

      const jwt = credential !== undefined && 'jwt' in credential ? credential.jwt : null;
      const challenge =
        credential !== undefined && 'token' in credential
          ? new TokenChallenge(url, credential)
          : null;
      let socket: WebSocket;
      try {
        const problem = jwt === null ? null : jwtProblem(url);
        if (problem !== null) throw new Error(problem);
        const authorization = jwt === null ? challenge?.header : `Bearer ${jwt}`;
        const headers = defined({ authorization });
        socket = new WebSocket(url, [subprotocol], {
          ...socketOptions,
          headers,
          ...(/^wss:/i.test(url) && { createConnection: tls.connector(url, names) }),
        });
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
        challenge?.answered(response.headers[proofHeader]);
      });
      socket.once('unexpected-response', (_request, response: IncomingMessage) => {
        const { statusCode: status = 0, statusMessage = '' } = response;
        const refused = `It refused the connection: ${status} ${statusMessage}`.trimEnd();
        problem = new Error(refused);
        answer = { status };
        textOf(response, (said) => {
          if (said !== '') {
            problem = new Error(`${refused}. ${said}`);
            answer = { status, said };
          }
          socket.terminate();
        });
      });
      socket.on('error', (error: Error) => {
        problem ??= error;
      });
      socket.once('close', () => {
        deadline.cancel();
        if (attempt !== 'dialling') return;
        attempt = 'over';
        events.failed({
          ...(late && answer.status === undefined ? timedOut(timeoutMs) : failure(problem, url)),
          ...answer,
        });
      });
      socket.once('open', () => {
        deadline.cancel();
        if (attempt !== 'dialling') return;
        if (challenge?.proof === null) {
          answer = { status: 401, said: unproven };
          problem = new Error(unproven);
          socket.terminate();
          return;
        }
        attempt = 'open';
        const connection = new WebSocketConnection<'from-node', ToNode>({
          socket,
          remoteAddress,
          proof: challenge?.proof,
          clock,
          heartbeatMs,
          maxBufferedBytes,
          maxFrameBytes: nodeBounds.maxFrameBytes.default,
          maxMessageBytes: nodeBounds.maxFrameBytes.default,
          decode: (data) => decodeFrame(data, { readers, limits: widestLimits }),
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
        const { min, max } = nodeBounds.heartbeatMs;
        connection.peerHeartbeatMs = Math.min(Math.max(message.heartbeatMs, min), max);
      }
      handler.message(message);
    },
    invalid: (problem) => handler.invalid(problem),
    closed: (info) => handler.closed(info),
  };
}

const unproven =
  'The node did not prove that it knows the token. It runs without one, or with another, or it is none of this cluster: give all the same --token-file, or correct the address.';

function timedOut(timeoutMs: number): CloseInfo {
  return { code: 1006, reason: `No connection within ${timeoutMs} ms.`, kind: 'silent' };
}

/** The text that a node refuses with; empty where it is none. The deadline ends the wait for it. */
function textOf(response: IncomingMessage, done: (text: string) => void): void {
  let text = '';
  const isText = response.headers['content-type']?.startsWith('text/plain') === true;
  const end = (): void => {
    const line = text.trim();
    done(/^[\x20-\x7e]+$/.test(line) ? line : '');
  };
  if (!isText) {
    end();
    return;
  }
  response.setEncoding('utf8');
  response.on('data', (chunk: string) => {
    text += chunk;
    if (text.length > maxTextLength) response.destroy();
  });
  response.on('error', () => {
    // 'close' follows.
  });
  response.once('close', end);
}

/** Enough for what a node says. */
const maxTextLength = 500;

function failure(error: (Error & { code?: string }) | null, url: string): CloseInfo {
  if (error === null) return { code: 1006, reason: 'The connection did not open.', kind: 'failed' };
  const codes =
    error instanceof AggregateError
      ? error.errors.map((each: Error & { code?: string }) => each.code)
      : [error.code];
  // Every address of the name must refuse before no one can be said to listen.
  const refused = codes.length > 0 && codes.every((code) => code === 'ECONNREFUSED');
  const kind = refused ? 'refused' : error.code === 'ECONNRESET' ? 'reset' : 'failed';
  const reason = tlsAdvice(error, url) ?? (error.message || String(error.code));
  return { code: 1006, reason, kind };
}

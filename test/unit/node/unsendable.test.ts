import { expect, it } from 'vitest';
import type { FromNode } from '../../../src/core/messages.ts';
import { Session, type SessionHost } from '../../../src/node/session.ts';
import type { Connection } from '../../../src/ports/transport.ts';
import { ManualClock } from '../../support/samples/manual-clock.ts';

it('what cannot be sent ends its own connection, and whoever sent it goes on', () => {
  const closed: [number, string][] = [];
  const told: string[] = [];
  const connection: Connection<FromNode> = {
    remoteAddress: 'memory',
    send: () => {
      throw new TypeError('outcome["results"] has the key __proto__, which every peer refuses');
    },
    close: (code, reason) => closed.push([code, reason]),
    terminate: () => undefined,
    answeredPingAgeMs: () => 0,
    bufferedBytes: () => 0,
  };
  const host = {
    given: {
      clock: new ManualClock(),
      options: { handshakeTimeoutMs: 1_000, maxPingAgeMs: 30_000 },
    },
    lines: {
      unsendable: (_session: Session, what: { type: string; error: unknown }) => {
        told.push(`${what.type}: ${String(what.error)}`);
      },
    },
  } as unknown as SessionHost;
  const session = new Session({ id: 1, connection, host });
  session.send({ type: 'goaway', reason: 'x' });
  expect(closed).toEqual([[1011, 'INTERNAL']]);
  expect(told).toEqual([expect.stringContaining('goaway: TypeError')]);
});

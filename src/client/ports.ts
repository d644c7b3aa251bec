/**
 * What a client that is given no others connects by, loaded when the first one connects: WebSocket
 * and MessagePack take longer to load than all else, and a program may import this and not connect,
 * or not yet.
 */
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type { TlsOptions } from '../ports/tls.ts';
import type { Dialer } from '../ports/transport.ts';

export interface ClientPorts {
  readonly dialer: Dialer;
  readonly clock: Clock;
  readonly random: Random;
}

export async function openPorts(
  given: Partial<ClientPorts> & { readonly tls?: TlsOptions },
): Promise<ClientPorts> {
  const clock = given.clock ?? (await import('../system/clock.ts')).systemClock;
  const random = given.random ?? (await import('../system/random.ts')).systemRandom;
  const dialer =
    given.dialer ??
    (await import('../transport/websocket/connect.ts')).webSocketDialer({
      clock,
      readers: (await import('../wire/client-readers.ts')).clientReaders,
      tls: given.tls,
    });
  return { clock, random, dialer };
}

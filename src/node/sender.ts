/** A peer as the terms know it: who asks, on whose account, and what it may see. */
import { shareOf } from '../core/access/address-share.ts';
import type { Rights } from '../core/access/rights.ts';
import type { Hello, PeerRole } from '../core/messages.ts';
import type { Origin } from '../core/shares.ts';
import type { Sender } from '../core/term/events.ts';

/** Whose transactions are everyone's, to end; a viewer's, only to look at. */
const ending: ReadonlySet<PeerRole> = new Set(['operator', 'node']);

export interface PeerSender extends Sender {
  readonly origin: Origin;
}

/** Before its hello. */
export function strangerOf(connection: number, remoteAddress: string): PeerSender {
  return { connection, participant: null, origin: { address: shareOf(remoteAddress), name: '' } };
}

export function senderOf(
  connection: number,
  remoteAddress: string,
  { hello, rights }: { readonly hello: Hello; readonly rights: Rights | null },
): PeerSender {
  const { name, instance, roles } = hello;
  const endsAll =
    roles.some((role) => ending.has(role)) || (roles.includes('client') && rights?.sees === 'all');
  const own = { name, instance, ...(rights === null ? {} : { identity: rights.name }) };
  return {
    connection,
    origin:
      rights === null
        ? { address: shareOf(remoteAddress), name }
        : { address: `identity ${rights.name}`, name, max: rights.quotas },
    participant: roles.includes('participant') ? { name, instance } : null,
    ...(roles.includes('client') ? { client: own } : {}),
    seesAll: endsAll || roles.includes('viewer'),
    endsAll,
  };
}

/** Which participants are connected now, and which connection a branch is to be reached by. */
import type { Branch } from '../transaction.ts';
import { ownerBytes } from './record-size.ts';

export interface ConnectedParticipant {
  readonly connection: number;
  readonly participant: string;
  readonly instance: string;
  readonly sharedResource: string | null;
}

interface Named {
  list: ConnectedParticipant[];
  turn: number;
  longestOwner: number;
}

export class ConnectedParticipants {
  readonly #byConnection = new Map<number, ConnectedParticipant>();
  /** In order of connecting; the next to get a new branch is at the turn. */
  readonly #byName = new Map<string, Named>();

  add(peer: ConnectedParticipant): void {
    this.#byConnection.set(peer.connection, peer);
    const entry = this.#byName.get(peer.participant);
    const bytes = ownerBytes(peer);
    if (entry === undefined) {
      this.#byName.set(peer.participant, { list: [peer], turn: 0, longestOwner: bytes });
    } else {
      entry.list.push(peer);
      entry.longestOwner = Math.max(entry.longestOwner, bytes);
    }
  }

  remove(connection: number): ConnectedParticipant | null {
    const peer = this.#byConnection.get(connection);
    if (peer === undefined) return null;
    this.#byConnection.delete(connection);
    const entry = this.#byName.get(peer.participant);
    if (entry !== undefined) {
      entry.list = entry.list.filter((other) => other.connection !== connection);
      entry.longestOwner = Math.max(0, ...entry.list.map(ownerBytes));
      if (entry.list.length === 0) this.#byName.delete(peer.participant);
    }
    return peer;
  }

  has(participant: string): boolean {
    return this.#byName.has(participant);
  }

  get(connection: number): ConnectedParticipant | null {
    return this.#byConnection.get(connection) ?? null;
  }

  /**
   * A branch belongs to the instance to which its prepare was first sent, and goes to no other unless
   * both declared one shared resource (8.7). The latest connection of an instance is the live one.
   */
  route(branch: Branch): ConnectedParticipant | null {
    const entry = this.#byName.get(branch.participant);
    if (entry === undefined) return null;
    if (branch.instance === null) {
      entry.turn = (entry.turn + 1) % entry.list.length;
      const chosen = entry.list[entry.turn];
      // Not the connection at the turn itself: it may be an old one, dead and not noticed yet.
      return entry.list.findLast((peer) => peer.instance === chosen?.instance) ?? null;
    }
    let shared: ConnectedParticipant | null = null;
    for (let index = entry.list.length - 1; index >= 0; index -= 1) {
      const peer = entry.list[index];
      if (peer === undefined) continue;
      if (peer.instance === branch.instance) return peer;
      if (shared === null && owns(peer, branch)) shared = peer;
    }
    return shared;
  }

  /** Whether this peer may answer for the branch. */
  owns(connection: number, branch: Branch): boolean {
    const peer = this.#byConnection.get(connection);
    return peer !== undefined && peer.participant === branch.participant && owns(peer, branch);
  }

  /** What the longest of those connected would add to a record: it bounds the size before its instances are known. */
  longestOwner(participant: string): number {
    return this.#byName.get(participant)?.longestOwner ?? 0;
  }
}

function owns(peer: ConnectedParticipant, branch: Branch): boolean {
  return (
    peer.instance === branch.instance ||
    (peer.sharedResource !== null && peer.sharedResource === branch.sharedResource)
  );
}

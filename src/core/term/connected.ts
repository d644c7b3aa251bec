/** Which participants are connected now, and which connection a branch is to be reached by. */
import { acknowledgedBy, type Branch } from './branch.ts';
import { ownerBytes } from './requests/requests.ts';

export interface ConnectedParticipant {
  readonly connection: number;
  readonly participant: string;
  readonly instance: string;
  readonly sharedResource: string | null;
  /** Of several processes that share the instance, and its journal, which one. */
  readonly process: string | null;
}

interface Named {
  readonly list: ConnectedParticipant[];
  turn: number;
  /** How many of the list add so many bytes to a record: who leaves costs no look at the rest. */
  readonly ownerBytes: Map<number, number>;
  longestOwner: number;
}

export class ConnectedParticipants {
  private readonly byConnection = new Map<number, ConnectedParticipant>();
  /** In order of connecting; the next to get a new branch is at the turn. */
  private readonly byName = new Map<string, Named>();
  /** Connections whose participant stops: they end what they have, and get nothing new. */
  private readonly leaving = new Set<number>();

  add(peer: ConnectedParticipant): void {
    this.byConnection.set(peer.connection, peer);
    const bytes = ownerBytes(peer);
    const entry = this.byName.get(peer.participant) ?? {
      list: [],
      turn: 0,
      ownerBytes: new Map<number, number>(),
      longestOwner: 0,
    };
    this.byName.set(peer.participant, entry);
    entry.list.push(peer);
    entry.ownerBytes.set(bytes, (entry.ownerBytes.get(bytes) ?? 0) + 1);
    entry.longestOwner = Math.max(entry.longestOwner, bytes);
  }

  remove(connection: number): ConnectedParticipant | null {
    const peer = this.byConnection.get(connection);
    if (peer === undefined) return null;
    this.byConnection.delete(connection);
    this.leaving.delete(connection);
    const entry = this.byName.get(peer.participant);
    if (entry === undefined) return peer;
    entry.list.splice(entry.list.indexOf(peer), 1);
    if (entry.list.length === 0) this.byName.delete(peer.participant);
    const bytes = ownerBytes(peer);
    const left = (entry.ownerBytes.get(bytes) ?? 0) - 1;
    if (left > 0) entry.ownerBytes.set(bytes, left);
    else {
      entry.ownerBytes.delete(bytes);
      entry.longestOwner = Math.max(0, ...entry.ownerBytes.keys());
    }
    return peer;
  }

  /** Its participant stops. */
  leaves(connection: number): void {
    if (this.byConnection.has(connection)) this.leaving.add(connection);
  }

  has(participant: string): boolean {
    return this.byName.has(participant);
  }

  /** Whether a new prepare would go out at once. */
  takesWork(participant: string): boolean {
    return this.staying(this.byName.get(participant)?.list ?? []).length > 0;
  }

  get(connection: number): ConnectedParticipant | null {
    return this.byConnection.get(connection) ?? null;
  }

  /**
   * To whom a prepare goes. New work goes to each process in turn, but to none that stops. What was
   * sent goes to the process that has it, for as long as that is connected: one that joins changes
   * nothing. When it is gone, another that shares its *journal* finds there whether it voted; one
   * with a journal of its own would know nothing of that vote, and is never asked (8.7). Nor is
   * anyone else where the participant enlisted itself: its work is in that process.
   */
  routePrepare(branch: Branch): ConnectedParticipant | null {
    const entry = this.byName.get(branch.participant);
    if (entry === undefined) return null;
    if (branch.instance === null) {
      const staying = this.staying(entry.list);
      entry.turn = (entry.turn + 1) % Math.max(1, staying.length);
      const chosen = staying[entry.turn];
      // Not the connection at the turn itself: it may be an old one, dead and not noticed yet.
      return staying.findLast((peer) => chosen !== undefined && isSame(peer, chosen)) ?? null;
    }
    const own = entry.list.findLast((peer) => isSame(peer, branch));
    if (own !== undefined || branch.enlistedItself) return own ?? null;
    return this.staying(entry.list).findLast((peer) => peer.instance === branch.instance) ?? null;
  }

  private staying(list: readonly ConnectedParticipant[]): readonly ConnectedParticipant[] {
    if (this.leaving.size === 0) return list;
    return list.filter(({ connection }) => !this.leaving.has(connection));
  }

  /**
   * Who gets a decision: the process that has the branch; else one that shares its journal; else
   * one that shares its store (8.7). The latest connection of each is the live one.
   */
  route(branch: Branch): ConnectedParticipant | null {
    const list = this.byName.get(branch.participant)?.list ?? [];
    return (
      list.findLast((peer) => isSame(peer, branch)) ??
      list.findLast((peer) => peer.instance === branch.instance) ??
      list.findLast((peer) => owns(peer, branch)) ??
      null
    );
  }

  /** The one to tell `forget`: it acknowledged. The instance that voted may be in doubt still. */
  routeForget(branch: Branch): ConnectedParticipant | null {
    const list = this.byName.get(branch.participant)?.list ?? [];
    const instance = acknowledgedBy(branch) ?? branch.instance;
    return (
      list.find((peer) => peer.connection === branch.connection) ??
      list.findLast((peer) => peer.instance === instance) ??
      null
    );
  }

  /** Whether this peer may answer for the branch. */
  owns(connection: number, branch: Branch): boolean {
    const peer = this.byConnection.get(connection);
    return peer !== undefined && peer.participant === branch.participant && owns(peer, branch);
  }

  /** What the longest of those connected adds to a record: the bound before one is chosen. */
  longestOwner(participant: string): number {
    return this.byName.get(participant)?.longestOwner ?? 0;
  }
}

function isSame(peer: ConnectedParticipant, other: Pick<Branch, 'instance' | 'process'>): boolean {
  return peer.instance === other.instance && peer.process === other.process;
}

function owns(peer: ConnectedParticipant, branch: Branch): boolean {
  return (
    peer.instance === branch.instance ||
    (peer.sharedResource !== null && peer.sharedResource === branch.sharedResource)
  );
}

/**
 * Begins one handshake in each turn: it costs as much as many messages, and hundreds that come
 * at once would keep everyone waiting. Addresses take turns, so that a flood from one of them does
 * not stand before the others.
 *
 * How many are under way is bounded, in all and for an address, for each may go on whenever its
 * peer likes. One that has been slow gives way where another waits for its place.
 */
import type { Clock, Timer } from '../../ports/clock.ts';
import { atEndOfTurn } from '../../system/turn.ts';

export interface Handshake {
  /** Whose share it counts to. */
  readonly address: string;
  begin(): void;
  /** It is over for this side; `left` follows. */
  end(): void;
}

const maxUnderWay = 1_024;
const maxUnderWayPerAddress = 256;
/** Several round trips to the other end of the world. */
const giveWayMs = 1_000;

export class HandshakeQueue {
  readonly #clock: Clock;
  /** By address; the one whose turn it is stands first. None is empty. */
  readonly #waiting = new Map<string, Set<Handshake>>();
  /** With when each began, the oldest first. */
  readonly #underWay = new Map<Handshake, number>();
  readonly #underWayOf = new Map<string, Set<Handshake>>();
  #scheduled = false;
  #timer: Timer | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  enter(handshake: Handshake): void {
    add(this.#waiting, handshake);
    this.#schedule();
  }

  /** It is over, or its peer is gone, whether it had begun or not. */
  left(handshake: Handshake): void {
    remove(this.#waiting, handshake);
    if (!this.#underWay.delete(handshake)) return;
    remove(this.#underWayOf, handshake);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#waiting.size === 0) return;
    this.#scheduled = true;
    atEndOfTurn(this.#turnOver);
  }

  readonly #turnOver = (): void => {
    this.#scheduled = false;
    /** Of which the oldest must make room. */
    const full: Iterable<Handshake>[] = [];
    for (const [address, waiting] of this.#waiting) {
      if (this.#underWay.size >= maxUnderWay) {
        full.push(this.#underWay.keys());
        break;
      }
      const same = this.#underWayOf.get(address);
      if (same !== undefined && same.size >= maxUnderWayPerAddress) {
        full.push(same);
        continue;
      }
      const [next] = waiting;
      if (next === undefined) continue;
      remove(this.#waiting, next);
      this.#toTheEnd(address);
      this.#underWay.set(next, this.#clock.monotonicMs());
      add(this.#underWayOf, next);
      // Half a millisecond, and as much again when its peer has answered.
      next.begin();
      this.#schedule();
      break;
    }
    this.#makeRoom(full);
  };

  #toTheEnd(address: string): void {
    const left = this.#waiting.get(address);
    if (left === undefined) return;
    this.#waiting.delete(address);
    this.#waiting.set(address, left);
  }

  #makeRoom(full: readonly Iterable<Handshake>[]): void {
    const nowMs = this.#clock.monotonicMs();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const handshakes of full) {
      const [oldest] = handshakes;
      if (oldest === undefined) continue;
      const dueMs = (this.#underWay.get(oldest) ?? nowMs) + giveWayMs;
      if (dueMs <= nowMs) oldest.end();
      else nextMs = Math.min(nextMs, dueMs);
    }
    if (nextMs === Number.POSITIVE_INFINITY) return;
    this.#timer?.cancel();
    this.#timer = this.#clock.setTimer(nextMs - nowMs, () => this.#schedule());
  }

  close(): void {
    this.#timer?.cancel();
  }
}

function add(sets: Map<string, Set<Handshake>>, handshake: Handshake): void {
  const { address } = handshake;
  const all = sets.get(address) ?? new Set();
  all.add(handshake);
  sets.set(address, all);
}

/** An address without any takes no memory. */
function remove(sets: Map<string, Set<Handshake>>, handshake: Handshake): void {
  const { address } = handshake;
  const all = sets.get(address);
  all?.delete(handshake);
  if (all?.size === 0) sets.delete(address);
}

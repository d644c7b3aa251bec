/**
 * What peers that were let in have a node write to its audit log: that they come, go, show a fresh
 * credential, or have a transaction aborted by force. Some of each identity and some in all are
 * written; of the others a line says how many they were, and whose. At the pace that lasts it takes
 * weeks to fill the files: no guest can push out what operators did.
 */
import type {
  Audit,
  ConnectionAccepted,
  ConnectionEnded,
  CredentialRenewed,
  ForcedAbort,
} from '../ports/audit.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import { type Pace, PeerBudget } from './peer-budget.ts';

type PeerLine = ConnectionAccepted | ConnectionEnded | CredentialRenewed | ForcedAbort;

/** All processes of a service may come back at once, and all services. */
const each: Pace = { burst: 500, perSecond: 0.1 };
const all: Pace = { burst: 5_000, perSecond: 0.5 };
const summaryMs = 10_000;
/** That one line names. */
const maxNamed = 20;

export class PeerLines {
  readonly #audit: Audit;
  readonly #clock: Clock;
  readonly #comings: PeerBudget;
  /** Who comes and goes must not hide these. */
  readonly #forced: PeerBudget;
  #count = 0;
  readonly #events = new Map<string, number>();
  readonly #peers = new Map<string, number>();
  #summary: Timer | null = null;

  constructor(audit: Audit, clock: Clock) {
    this.#audit = audit;
    this.#clock = clock;
    this.#comings = new PeerBudget({ clock, each, all });
    this.#forced = new PeerBudget({ clock, each, all });
  }

  /** Whether it was written. `peer`: its identity, or its address where it has none. */
  write(line: PeerLine, peer: string): boolean {
    const budget = line.event === 'forced-abort' ? this.#forced : this.#comings;
    const admits = budget.take(peer);
    if (admits) this.#audit.write(line);
    else this.leaveOut(line.event, peer);
    return admits;
  }

  leaveOut(event: PeerLine['event'], peer: string): void {
    this.#count += 1;
    this.#events.set(event, (this.#events.get(event) ?? 0) + 1);
    const named = this.#peers.has(peer) || this.#peers.size < maxNamed;
    if (named) this.#peers.set(peer, (this.#peers.get(peer) ?? 0) + 1);
    this.#summary ??= this.#clock.setTimer(summaryMs, () => this.#sum());
  }

  /** Says what was left out so far. */
  close(): void {
    this.#summary?.cancel();
    this.#sum();
  }

  #sum(): void {
    this.#summary = null;
    if (this.#count === 0) return;
    this.#audit.write({
      event: 'peer-lines-left-out',
      count: this.#count,
      events: Object.fromEntries(this.#events),
      peers: Object.fromEntries(this.#peers),
    });
    this.#count = 0;
    this.#events.clear();
    this.#peers.clear();
  }
}

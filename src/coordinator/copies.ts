/**
 * Two processes on copies of one journal: a cloned volume, an image with a data directory in it. Both have its instance, so each takes the
 * other's place, dials again, and so on for ever, while branches of the one are sent to the other.
 *
 * Each start of a process has an id of its own, its `run`. A run that is new is taken at once: that is a restart, and the earlier run is dead.
 * A run that comes back after another took its place is alive beside it. Twice (!): once may be a hello that lay in a buffer while its process
 * died and the next one came. Then the one that started first stays, by the run alone, so that every node keeps the same one: its journal
 * is the older, and what the instance voted for is in it. The other is refused from then on, and while its rival restarts.
 */
import type { Hello } from '../core/messages.ts';
import type { Clock } from '../ports/clock.ts';

/** Instances remembered, and runs of each: what is forgotten is taken for new, and found out again. */
const instancesMax = 10_000;
const runsMax = 32;
const returnsMax = 2;
/** How long the place of one that left is kept from its copy: a restart takes less, and a copy is better than nobody. */
export const keptForMs = 60_000;

interface Run {
  address: string;
  returns: number;
  copy: boolean;
}

interface Claim {
  current: string;
  /** When it was last known to be connected; null: it is. */
  leftAtMs: number | null;
  readonly runs: Map<string, Run>;
}

/** What is asked of a hello. */
type Claimant = Pick<Hello, 'name' | 'instance' | 'process' | 'run' | 'copy'>;

export class Copies {
  readonly #clock: Clock;
  readonly #claims = new Map<string, Claim>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Of a participant that says hello: why it is refused, or null where it takes the instance's place. */
  claim(hello: Claimant, address: string): string | null {
    const { run } = hello;
    if (run === undefined || hello.process !== undefined) return null;
    const claim = this.#claimOf(hello, run);
    const known = claim.runs.get(run);
    const self = known ?? { address, returns: 0, copy: false };
    if (hello.copy === true) self.copy = true;
    self.address = address;
    // Those that come last are kept.
    claim.runs.delete(run);
    claim.runs.set(run, self);
    dropFirst(claim.runs, runsMax);
    if (claim.current !== run) {
      if (self.copy) {
        if (this.#isKept(claim)) return copiedText(hello, claim);
      } else if (known !== undefined) {
        self.returns += 1;
        if (self.returns >= returnsMax) {
          const rival = claim.runs.get(claim.current);
          const loser = run < claim.current ? rival : self;
          if (loser !== undefined) loser.copy = true;
          if (loser === self) return copiedText(hello, claim);
        }
      }
    }
    claim.current = run;
    claim.leftAtMs = null;
    return null;
  }

  /** Why one whose place was taken must not come back; null: it may. */
  refusal(hello: Claimant): string | null {
    const claim = this.#claims.get(keyOf(hello));
    if (claim === undefined || hello.run === undefined || hello.run === claim.current) return null;
    return claim.runs.get(hello.run)?.copy === true ? copiedText(hello, claim) : null;
  }

  /** The last connection of this run ended. */
  left(hello: Claimant): void {
    const claim = this.#claims.get(keyOf(hello));
    if (claim !== undefined && claim.current === hello.run) {
      claim.leftAtMs = this.#clock.monotonicMs();
    }
  }

  #isKept({ leftAtMs }: Claim): boolean {
    return leftAtMs === null || this.#clock.monotonicMs() - leftAtMs < keptForMs;
  }

  #claimOf(hello: Claimant, run: string): Claim {
    const key = keyOf(hello);
    const claim = this.#claims.get(key) ?? { current: run, leftAtMs: null, runs: new Map() };
    this.#claims.delete(key);
    this.#claims.set(key, claim);
    dropFirst(this.#claims, instancesMax);
    return claim;
  }
}

function keyOf({ name, instance }: Claimant): string {
  return `${name}\u0000${instance}`;
}

function dropFirst(map: Map<string, unknown>, sizeMax: number): void {
  if (map.size <= sizeMax) return;
  const [first] = map.keys();
  if (first !== undefined) map.delete(first);
}

function copiedText({ name, instance, run = '' }: Claimant, { current, runs }: Claim): string {
  const named = (id: string): string => `${id} at ${runs.get(id)?.address ?? 'an unknown address'}`;
  return `Two processes run with one journal of ${name}, instance ${instance}: it was copied. ${named(current)} is served, ${named(run)} is refused. Give the copy a new, empty data directory, and start it again.`;
}

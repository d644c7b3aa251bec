/**
 * Two processes on copies of one journal: a cloned volume, an image with a data directory in it.
 * Both have its instance, so each takes the other's place, dials again, and so on forever, while
 * branches of the one are sent to the other.
 *
 * Each start of a process has an id of its own, its `run`. A new run is accepted at once: that is a
 * restart, and the earlier run is dead. A run that comes back after another took its place is alive
 * beside it. Twice (!): once may be a hello that lay in a buffer while its process died and the
 * next one came. Then the one that started first stays, by what both say alone, so that every node
 * keeps the same one: its journal is the older, and holds what the instance voted for. What the
 * journals say of it goes before what two machines' clocks said (!).
 *
 * The other is refused for as long as it runs, however long the one that stays is away (!): it
 * holds in doubt what that one voted for, would commit its copy, and acknowledge in its name. The
 * record would go, and the one that voted be told "abort" below the floor once it is back
 * (test/spec/copies.qnt).
 */
import type { Hello } from '../core/messages.ts';
import { instanceKey } from '../core/names.ts';

/** Remembered, some 40 MiB at most: what is forgotten counts as new, and is found out again. */
const maxInstances = 4_000;
const maxRuns = 8;
const maxReturns = 2;

interface Run {
  readonly run: string;
  readonly earlierRuns: readonly string[];
  address: string;
  returns: number;
  copy: boolean;
}

interface Claim {
  /** The run that was served last. */
  current: string | null;
  readonly runs: Map<string, Run>;
}

type Claimant = Pick<Hello, 'name' | 'instance' | 'process' | 'run' | 'earlierRuns' | 'copy'>;

export class Copies {
  readonly #claims = new Map<string, Claim>();

  /** Why a participant that says hello is refused, or null if it takes the instance's place. */
  claim(hello: Claimant, address: string): string | null {
    const { run, earlierRuns = [] } = hello;
    if (run === undefined || hello.process !== undefined) return null;
    const claim = this.#claimOf(hello);
    const known = claim.runs.get(run);
    const self = known ?? { run, earlierRuns, address, returns: 0, copy: false };
    if (hello.copy === true) self.copy = true;
    self.address = address;
    // Those that come last are kept.
    claim.runs.delete(run);
    claim.runs.set(run, self);
    dropFirst(claim.runs, maxRuns);
    if (!self.copy && known !== undefined && claim.current !== run) returned(claim, self);
    if (self.copy) return copiedText(hello, claim);
    claim.current = run;
    return null;
  }

  /** Why one whose place was taken must not come back; null: it may. */
  refusal(hello: Claimant): string | null {
    const claim = this.#claims.get(instanceKey(hello.name, hello.instance));
    if (claim === undefined || hello.run === undefined || hello.run === claim.current) return null;
    return claim.runs.get(hello.run)?.copy === true ? copiedText(hello, claim) : null;
  }

  #claimOf(hello: Claimant): Claim {
    const key = instanceKey(hello.name, hello.instance);
    const claim = this.#claims.get(key) ?? { current: null, runs: new Map() };
    this.#claims.delete(key);
    this.#claims.set(key, claim);
    dropFirst(this.#claims, maxInstances);
    return claim;
  }
}

/** The second time, it is alive beside the one that took its place: one of the two is a copy. */
function returned({ current, runs }: Claim, self: Run): void {
  self.returns += 1;
  const rival = current === null ? undefined : runs.get(current);
  if (self.returns < maxReturns || rival === undefined || rival.copy) return;
  const loser = startedFirst(self, rival) ? rival : self;
  loser.copy = true;
}

function startedFirst({ run, earlierRuns }: Run, rival: Run): boolean {
  if (rival.earlierRuns.includes(run)) return true;
  return !earlierRuns.includes(rival.run) && run < rival.run;
}

function dropFirst(map: Map<string, unknown>, maxSize: number): void {
  if (map.size <= maxSize) return;
  const [first] = map.keys();
  if (first !== undefined) map.delete(first);
}

function copiedText({ name, instance, run = '' }: Claimant, { current, runs }: Claim): string {
  const named = (id: string): string => `${id} at ${runs.get(id)?.address ?? 'an unknown address'}`;
  const served = current === null || current === run ? '' : `${named(current)} is served, `;
  return `Two processes run with one journal of ${name}, instance ${instance}: it was copied. ${served}${named(run)} is refused, for as long as it runs. Give the copy a new, empty data directory, and start it again.`;
}

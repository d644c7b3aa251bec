/** The specification's files, its scenarios, and the names of what must hold. */
import { fileURLToPath } from 'node:url';
import { editOf, type Mutant } from './mutants.ts';
import { type Simulated, type Simulation, Specification } from './quint.ts';

const path = fileURLToPath(new URL('verdict.qnt', import.meta.url));

export const everything = 'step';
/** The same protocol with fewer kinds of trouble; each gets deeper into one of them. */
export const scenarios: readonly string[] = [
  'failoverStep',
  'requestStep',
  'lostReplyStep',
  'resolveStep',
  'setBackStep',
  'restoreStep',
];
/** With a second process over the database of one participant: the replay has none. */
export const siblingScenarios: readonly string[] = ['siblingStep', 'siblingLateStep'];
export const invariants: readonly string[] = [
  'I1_atomicity',
  'I2_one_decision',
  'I3_unanimity',
  'I4_no_forgetting',
  'I5_absence',
  'I6_fence',
  'I7_epochs',
  'I8_requests',
  'I9_records',
];
/** Good ends, and states without which the invariants would hold for nothing: a run must meet each. */
export const witnesses: readonly string[] = [
  'I10_new_leader_finishes',
  'I11_follower_ends_doubt',
  'request_committed',
  'second_attempt_committed',
  'collected',
  'zombie_refused',
  'forced_abort',
  'restored',
  'sibling_commits',
  'sibling_ends_doubt',
  'lost_by_restore',
];
/** Eight to ten messages make a commit; a second transaction and some trouble fit beside. */
export const stepsMax = 60;

export function protocol(): Specification {
  return new Specification(path, { edit: (_file, text) => text, check: true });
}

export function mutated(mutant: Mutant): Specification {
  return new Specification(path, { edit: editOf(mutant), check: false });
}

export interface Violation {
  readonly seed: bigint;
  /** Those that do not hold in the last state. */
  readonly broken: readonly string[];
  readonly states: Simulated['traces'][number]['states'];
}

/** Which invariants the trace breaks: it is run once more with each of them alone. */
export function violationIn(
  specification: Specification,
  simulation: Simulation,
  found: Simulated,
): Violation | null {
  const trace = found.traces[0];
  if (!found.violated || trace === undefined) return null;
  const { seed, states } = trace;
  const steps = states.length - 1;
  const broken = invariants.filter(
    (invariant) =>
      specification.simulate({ ...simulation, invariant, samples: 1, steps, seed }).violated,
  );
  return { seed, broken, states };
}

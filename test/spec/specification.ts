/** A specification, whole or with a rule taken away, and what is wrong with a trace of it. */
import { fileURLToPath } from 'node:url';
import type { Model } from './models.ts';
import { editOf, type Mutant } from './mutants.ts';
import { type Simulated, type Simulation, Specification } from './quint.ts';

/** Eight to ten messages make a commit; a second transaction and some trouble fit beside. */
export const maxSteps = 60;

export function specified(model: Model): Specification {
  return new Specification(pathOf(model), { edit: (_file, text) => text, check: true });
}

export function mutated(mutant: Mutant): Specification {
  return new Specification(pathOf(mutant.model), { edit: editOf(mutant), check: false });
}

function pathOf({ file }: Model): string {
  return fileURLToPath(new URL(file, import.meta.url));
}

export interface Violation {
  readonly seed: bigint;
  /** Those that do not hold in the last state. */
  readonly broken: readonly string[];
  readonly states: Simulated['traces'][number]['states'];
}

/** Which invariants the trace breaks: it is run once more with each of them alone. */
export function violationIn(
  { specification, model }: { readonly specification: Specification; readonly model: Model },
  simulation: Simulation,
  found: Simulated,
): Violation | null {
  const trace = found.traces[0];
  if (!found.violated || trace === undefined) return null;
  const { seed, states } = trace;
  const steps = states.length - 1;
  const broken = model.invariants.filter(
    (invariant) =>
      specification.simulate({ ...simulation, invariant, samples: 1, steps, seed }).violated,
  );
  return { seed, broken, states };
}

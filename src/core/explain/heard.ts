/** What connected participants say of a branch. */
import type { BranchFacts, Facts, HeldBranchFacts } from './facts.ts';
import { heldText } from './words.ts';

type OfBranch = Pick<BranchFacts, 'branch' | 'participant' | 'instance'>;

/** By those who may have it: its own instance, or whoever of the name knows it. */
export function heardOf({ participants }: Facts, branch: OfBranch): HeldBranchFacts[] {
  const heard: HeldBranchFacts[] = [];
  for (const { participant, instance, branches } of participants) {
    if (participant !== branch.participant || branches === null) continue;
    const held = branches.find((each) => each.branch === branch.branch);
    if (held === undefined) continue;
    // Another instance that knows nothing says nothing.
    const isOwn = branch.instance === null || branch.instance === instance;
    if (isOwn || held.state !== 'unknown') heard.push(held);
  }
  return heard;
}

/** Null: no one says anything. */
export function saidOf(facts: Facts, branch: OfBranch): string[] | null {
  const texts = [...new Set(heardOf(facts, branch).map(heldText))];
  return texts.length === 0 ? null : texts;
}

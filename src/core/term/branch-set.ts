/**
 * The branches of one transaction, in the order in which they came. Most transactions have a few:
 * those are looked through, and a table, which takes more memory than they do, is made for many.
 */
import type { Branch } from './branch.ts';

/** Up to so many are looked through. */
const few = 8;

export class BranchSet {
  private list: Branch[] = [];
  private byName: Map<string, Branch> | null = null;

  get size(): number {
    return this.list.length;
  }

  get(name: string): Branch | undefined {
    if (this.byName !== null) return this.byName.get(name);
    for (const branch of this.list) if (branch.branch === name) return branch;
    return undefined;
  }

  /** Its name is none of theirs. */
  add(branch: Branch): void {
    if (this.list.length < few) {
      // As long as they are: a list that grows by itself takes room for sixteen more.
      this.list = this.list.concat(branch);
      return;
    }
    this.byName ??= new Map(this.list.map((each) => [each.branch, each]));
    this.byName.set(branch.branch, branch);
    this.list.push(branch);
  }

  values(): readonly Branch[] {
    return this.list;
  }
}

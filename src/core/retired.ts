/**
 * What an operator has given up forever: one instance of a participant, or all that shares a
 * resource.
 *
 * Of a branch on a shared resource every sibling may finish the work, connected now or not. So the
 * word about one instance does not count there: only that the resource itself is gone ends what is
 * owed. Counted as acknowledged sooner, the record would go some day, and a sibling that comes back
 * in doubt be told "abort" below the floor.
 */
export interface RetiredInstance {
  readonly participant: string;
  readonly instance: string;
}

export interface RetiredResource {
  readonly participant: string;
  readonly sharedResource: string;
}

export type Retired = RetiredInstance | RetiredResource;

/** Who takes part, or is to: a peer, or the owner of a branch. */
export interface Member {
  readonly participant: string;
  readonly instance: string;
  readonly sharedResource: string | null;
}

export class RetiredSet {
  private readonly known = new Map<string, Retired>();

  get size(): number {
    return this.known.size;
  }

  /** False where it was known. */
  add(retired: Retired): boolean {
    const key = claimKey(retired);
    if (this.known.has(key)) return false;
    this.known.set(key, retired);
    return true;
  }

  has(retired: Retired): boolean {
    return this.known.has(claimKey(retired));
  }

  all(): readonly Retired[] {
    return [...this.known.values()];
  }

  /** Whether this one is to be refused. */
  refuses(member: Member): boolean {
    return this.known.size > 0 && retirementsOf(member).some((one) => this.has(one));
  }

  /** Whether no one is left who could finish a branch of this one. */
  frees({ participant, instance, sharedResource }: Member): boolean {
    if (this.known.size === 0) return false;
    return this.has(
      sharedResource === null ? { participant, instance } : { participant, sharedResource },
    );
  }
}

/** What would concern it. */
export function retirementsOf({ participant, instance, sharedResource }: Member): Retired[] {
  const own = { participant, instance };
  return sharedResource === null ? [own] : [own, { participant, sharedResource }];
}

export function concerns(retired: Retired, member: Member): boolean {
  if (retired.participant !== member.participant) return false;
  return 'instance' in retired
    ? retired.instance === member.instance
    : retired.sharedResource === member.sharedResource;
}

/** Different for whatever is not the same. */
export function claimKey(retired: Retired): string {
  return 'instance' in retired
    ? `${retired.participant}\u0000i${retired.instance}`
    : `${retired.participant}\u0000r${retired.sharedResource}`;
}

/**
 * Divides what there is only so much of - places, bytes - among whoever takes of it, without
 * knowing how many they are or will be.
 *
 * No one may hold more than a multiple of what is still free (Choudhury and Hahne 1998, *Dynamic
 * Queue Length Thresholds*): who is alone gets nearly all of it, each one more makes the share of
 * each smaller, and something is always left for who comes next. Twice: for an address, and for a
 * name within what its address may still have, so that a flood from one address leaves room for
 * others, and one name for others beside it. Names are what peers say of themselves: who takes a
 * new one for each connection is held by its address. Whoever has an identity has that in place of
 * an address: many may be behind one address, and one identity at many.
 */
import type { Quotas } from './access/rights.ts';

export interface Origin {
  readonly address: string;
  readonly name: string;
  /** What all names of the address may have at most. */
  readonly max?: Quotas;
}

/**
 * Of what is free: one name alone holds two thirds, one address four fifths, and each further
 * address four fifths of what the others left.
 */
const multiple = 4;

/** 0 is no limit, where nothing was made of it. */
export function heldBytesOf(options: { readonly maxHeldBytes: number }): number {
  return options.maxHeldBytes === 0 ? Number.MAX_SAFE_INTEGER : options.maxHeldBytes;
}

export class Shares {
  readonly total: number;
  private readonly quota: keyof Quotas | null;
  private taken = 0;
  private readonly byAddress = new Map<string, number>();
  private readonly byName = new Map<string, number>();

  /** `quota`: which one of an origin's it is. */
  constructor(total: number, quota: keyof Quotas | null = null) {
    this.total = total;
    this.quota = quota;
  }

  get used(): number {
    return this.taken;
  }

  held(origin: Origin): number {
    return this.byName.get(keyOf(origin)) ?? 0;
  }

  /** Whether that much more is its due. */
  admits(origin: Origin, amount: number): boolean {
    const free = this.total - this.taken;
    if (amount > free) return false;
    if (this.exceeded(origin, amount) !== null) return false;
    const left = multiple * free - (this.byAddress.get(origin.address) ?? 0);
    return amount <= left && this.held(origin) + amount <= left;
  }

  /** The quota that does not allow that much more; null: no quota stands against it. */
  exceeded(origin: Origin, amount: number): number | null {
    const max = this.quota === null ? undefined : origin.max?.[this.quota];
    if (max === undefined) return null;
    return (this.byAddress.get(origin.address) ?? 0) + amount > max ? max : null;
  }

  /** Takes so much, or gives it back where it is negative. */
  take(origin: Origin, amount: number): void {
    this.taken += amount;
    add(this.byAddress, origin.address, amount);
    add(this.byName, keyOf(origin), amount);
  }
}

function keyOf({ address, name }: Origin): string {
  return `${address}\n${name}`;
}

/** Who holds nothing takes no memory. */
function add(held: Map<string, number>, key: string, amount: number): void {
  const now = (held.get(key) ?? 0) + amount;
  if (now === 0) held.delete(key);
  else held.set(key, now);
}

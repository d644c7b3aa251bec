/**
 * Whose a participant's instances and shared resources are, as rules on one transaction of a local
 * store; and the bounds that hold in etcd, too.
 */
import type { Claim } from '../core/claims.ts';
import { BindRefusedError, DecisionLogError } from '../ports/decision-log.ts';
import { assertKeyFits, keyPart, type ReadableKeys } from '../store/key-value.ts';
import { type LogTransaction, plainRetired, retiredKey, retiredPart } from './state.ts';

/** Of one participant. A new data directory is a new instance: at one an hour, eleven years. */
export const maxBound = 100_000;
/** Of all participants: every node reads all of them. */
export const maxRebound = 100_000;

export interface Binding {
  readonly identity: string;
}

function boundKey(claim: Claim): string {
  return `bound/${retiredPart(claim)}`;
}

/** How many of the participant's are bound. */
function countKey({ participant }: Claim): string {
  return `bindings/${keyPart(participant)}`;
}

/** How many of them to the identity. */
function heldKey(claim: Claim, identity: string): string {
  return `${countKey(claim)}/${keyPart(identity)}`;
}

/** Throws for a name that cannot be a part of a key: before a transaction begins. */
export function assertNamed(claim: Claim): void {
  assertKeyFits(boundKey(claim));
}

/** `held`: of the participant's, by the identity that asks; `max`: how many may be. */
export function bindRefusal(
  { participant }: Claim,
  {
    wanted,
    bound,
    held,
    max,
  }: {
    readonly wanted: number;
    readonly bound: number;
    readonly held: number;
    readonly max: number;
  },
): BindRefusedError | null {
  if (held + wanted > max) {
    const quota =
      held >= max
        ? 'which is its quota'
        : `and its quota of ${max} has no room for a shared resource beside a new one`;
    return new BindRefusedError(
      'full',
      `${held} instances of ${participant} belong to this identity, ${quota}. ${keep} Or raise "quotas.instances" in the access file.`,
    );
  }
  if (bound + wanted <= maxBound) return null;
  return new BindRefusedError(
    'full',
    `${maxBound} instances of ${participant} are bound to identities, and no more can be. ${keep}`,
  );
}

const keep =
  'Each new, empty data directory is a new instance: let processes keep theirs, and free those of directories that are gone with `verdict retire`.';

export function retiredRefusal({ participant }: Claim): BindRefusedError {
  return new BindRefusedError(
    'retired',
    `That instance or shared resource of ${participant} was retired by an operator, for good. Start the process with a new, empty data directory.`,
  );
}

export function assertMayRebind(rebound: number): void {
  if (rebound < maxRebound) return;
  throw new DecisionLogError(
    `${maxRebound} instances were given to other identities, and no more can be. Look at who rebinds them, and why.`,
  );
}

export function holderOf(keys: ReadableKeys, claim: Claim): string | null {
  return (keys.get(boundKey(claim)) as Binding | undefined)?.identity ?? null;
}

/** Put if absent and not retired: a freed name is never another's. Returns who holds each. */
export function bindAll(
  transaction: LogTransaction,
  claims: readonly Claim[],
  { identity, max }: { readonly identity: string; readonly max: number },
): readonly (string | null)[] {
  const holders = claims.map((claim) => holderOf(transaction, claim));
  const free = claims.filter((_, at) => holders[at] === null);
  const [first] = free;
  const isAnothers = holders.some((holder) => holder !== null && holder !== identity);
  if (first === undefined || isAnothers) return holders;
  const gone = free.find((claim) => transaction.get(retiredKey(claim)) !== undefined);
  if (gone !== undefined) throw retiredRefusal(gone);
  const wanted = free.length;
  const bound = countAt(transaction, countKey(first));
  const held = countAt(transaction, heldKey(first, identity));
  const refusal = bindRefusal(first, { wanted, bound, held, max });
  if (refusal !== null) throw refusal;
  for (const claim of free) put(transaction, claim, identity);
  return claims.map(() => identity);
}

export function rebind(transaction: LogTransaction, claim: Claim, identity: string): void {
  const options = { identity, max: Number.POSITIVE_INFINITY };
  if (bindAll(transaction, [claim], options)[0] === identity) return;
  free(transaction, claim);
  put(transaction, claim, identity);
}

/** Of what is retired. */
export function free(transaction: LogTransaction, claim: Claim): void {
  const holder = holderOf(transaction, claim);
  if (holder === null) return;
  transaction.remove(boundKey(claim));
  add(transaction, countKey(claim), -1);
  add(transaction, heldKey(claim, holder), -1);
}

function put(transaction: LogTransaction, claim: Claim, identity: string): void {
  transaction.put(boundKey(claim), { ...plainRetired(claim), identity });
  add(transaction, countKey(claim), 1);
  add(transaction, heldKey(claim, identity), 1);
}

function countAt(transaction: LogTransaction, key: string): number {
  return (transaction.get(key) as number | undefined) ?? 0;
}

/** Those that were bound before there were counts of identities are not in them. */
function add(transaction: LogTransaction, key: string, amount: 1 | -1): void {
  const count = Math.max(0, countAt(transaction, key) + amount);
  if (count === 0) transaction.remove(key);
  else transaction.put(key, count);
}

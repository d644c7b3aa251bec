/**
 * Whose a participant's instances and shared resources are, as rules on one transaction of a local
 * store; and the bounds that hold in etcd, too.
 */
import type { Claim } from '../core/claims.ts';
import { DecisionLogError } from '../ports/decision-log.ts';
import { assertKeyFits, keyPart, type ReadableKeys } from '../store/key-value.ts';
import { type LogTransaction, plainRetired, retiredPart } from './state.ts';

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

/** Throws for a name that cannot be a part of a key: before a transaction begins. */
export function assertNamed(claim: Claim): void {
  assertKeyFits(boundKey(claim));
}

export function bindRefusal({ participant }: Claim, bound: number): DecisionLogError | null {
  if (bound < maxBound) return null;
  return new DecisionLogError(
    `${maxBound} instances of ${participant} are bound to identities, and no more can be. Find out who starts it with a new data directory again and again, and keep the directory.`,
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

/** Put if absent. Returns who holds it. */
export function bind(transaction: LogTransaction, claim: Claim, identity: string): string {
  const holder = holderOf(transaction, claim);
  if (holder !== null) return holder;
  const bound = (transaction.get(countKey(claim)) as number | undefined) ?? 0;
  const refusal = bindRefusal(claim, bound);
  if (refusal !== null) throw refusal;
  transaction.put(countKey(claim), bound + 1);
  put(transaction, claim, identity);
  return identity;
}

export function rebind(transaction: LogTransaction, claim: Claim, identity: string): void {
  if (bind(transaction, claim, identity) !== identity) put(transaction, claim, identity);
}

function put(transaction: LogTransaction, claim: Claim, identity: string): void {
  transaction.put(boundKey(claim), { ...plainRetired(claim), identity });
}

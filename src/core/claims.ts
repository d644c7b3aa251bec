/**
 * What a participant says it is in its hello: an instance, and the shared resource of all who name
 * it. Each is bound to the identity that was the first to say so (docs/adr/0007-identities.md).
 */
import { type Member, type Retired, retirementsOf } from './retired.ts';

/** Of the shape of what an operator may retire, and named in the same way. */
export type Claim = Retired;

/** What an operator has given to another identity. */
export interface Rebound {
  readonly claim: Claim;
  readonly identity: string;
}

export function claimsOf(member: Member): Claim[] {
  return retirementsOf(member);
}

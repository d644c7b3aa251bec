import type { Rebound } from '../core/claims.ts';
import { concerns } from '../core/retired.ts';
import type { Bindings } from './bindings.ts';
import type { ParticipantSessions } from './participants.ts';

/** An operator gave it to another identity: who held it before is let in by it no more. */
export function endRebound(
  { claim, identity }: Rebound,
  participants: ParticipantSessions,
  bindings: Pick<Bindings, 'refusal'>,
): void {
  for (const session of [...participants.all()]) {
    const { hello } = session;
    if (hello === null || session.member === null || !concerns(claim, session.member)) continue;
    if (session.identity === null || session.identity === identity) continue;
    const text = 'An operator gave it to another identity.';
    const refusal = bindings.refusal(hello, session.identity);
    session.refuse('FORBIDDEN', refusal?.message ?? text);
  }
}

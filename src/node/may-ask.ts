/** What a peer may ask for: by the roles of its hello, and by the rights of its identity. */
import { beginProblem, callProblem } from '../core/access/judge-access.ts';
import type { Rights } from '../core/access/rights.ts';
import type { PeerRole, ToNode } from '../core/messages.ts';
import type { Refusal } from '../core/term/events.ts';
import type { Session, SessionHost } from './session.ts';

/** Which role a message needs; any of several. The others need none. */
export const rolesFor: Readonly<
  Record<Exclude<ToNode['type'], 'hello' | 'renew' | 'error' | 'goaway'>, readonly PeerRole[]>
> = {
  begin: ['client'],
  enlist: ['client', 'participant'],
  lock: ['client'],
  commit: ['client'],
  rollback: ['client', 'operator'],
  transact: ['client'],
  status: ['client', 'participant', 'operator', 'node', 'viewer'],
  query: ['participant', 'node', 'operator'],
  resolve: ['participant', 'node', 'operator'],
  report: ['participant'],
  vote: ['participant'],
  working: ['participant'],
  ack: ['participant'],
  described: ['participant'],
  info: ['operator', 'node', 'viewer'],
  explain: ['operator', 'node', 'viewer'],
  stats: ['operator', 'node', 'viewer'],
  config: ['operator', 'viewer'],
  list: ['operator', 'node', 'viewer'],
  locks: ['operator', 'node', 'viewer'],
  recover: ['operator'],
  retire: ['operator'],
  rebind: ['operator'],
  'take-over': ['node'],
  'step-down': ['operator'],
  drain: ['operator'],
  undrain: ['operator'],
  'log-level': ['operator'],
  retry: ['operator'],
  acknowledge: ['operator'],
};

export function allowedTo(roles: readonly PeerRole[]): ReadonlySet<ToNode['type']> {
  const types = Object.keys(rolesFor) as (keyof typeof rolesFor)[];
  return new Set(types.filter((type) => rolesFor[type].some((role) => roles.includes(role))));
}

/** Of an identity that has its rights from the access file. */
export function denialOf(
  message: ToNode,
  rights: Rights,
  session: Session,
  host: SessionHost,
): Refusal | null {
  if (message.type === 'begin' || message.type === 'transact') {
    const problem = beginProblem(rights, message);
    if (problem !== null || message.type === 'begin') return problem;
    return message.requestId === undefined ? null : host.uses.requestIdProblem(rights);
  }
  if (message.type !== 'enlist' || !session.is('client')) return null;
  return callProblem(rights, message.participant);
}

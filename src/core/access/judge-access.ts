/** Whether an identity may say what it says. Each answer: why not, or null. */
import { sharedGroups } from '../locks/names.ts';
import type { Begin, Enlist, Hello, Transact } from '../messages.ts';
import type { Refusal } from '../term/events.ts';
import type { Rights } from './rights.ts';

/** Of a hello: each of its roles, under its name. */
export function helloProblem(rights: Rights, hello: Pick<Hello, 'roles' | 'name'>): Refusal | null {
  const { roles, name } = hello;
  const role = roles.find((one) => !rights.roles.has(one));
  if (role !== undefined) return denied(rights, `the role ${role}`, 'roles');
  if (roles.includes('participant') && !rights.participants.match(name))
    return denied(rights, `the participant ${name}`, 'participants');
  if (roles.includes('client') && !rights.clients.match(name))
    return denied(rights, `the client name ${name}`, 'clients');
  return null;
}

/** Of what begins a transaction. */
export function beginProblem(rights: Rights, message: Begin | Transact): Refusal | null {
  const { labels = {}, lockGroup } = message;
  const label = Object.keys(labels).find((key) => !rights.labels.match(key));
  if (label !== undefined) return denied(rights, `the label ${label}`, 'labels');
  if (lockGroup?.startsWith(sharedGroups) === true && !rights.lockGroups.match(lockGroup))
    return denied(rights, `the lock group ${lockGroup}`, 'lockGroups');
  if (message.type === 'begin') return null;
  for (const { participant } of message.branches) {
    const problem = callProblem(rights, participant);
    if (problem !== null) return problem;
  }
  return null;
}

/** Of a branch that a client adds. */
export function callProblem(rights: Rights, participant: Enlist['participant']): Refusal | null {
  return rights.calls.match(participant)
    ? null
    : denied(rights, `calls of ${participant}`, 'calls');
}

/** It tells no more than the rule that is missing: not whether there is such a thing. */
function denied({ name }: Rights, what: string, field: string): Refusal {
  return {
    code: 'FORBIDDEN',
    message: `The access file does not give ${what} to the identity ${name}: see "${field}" of its entry.`,
  };
}

/** Whether an identity may say what it says. Each answer: why not, or null. */
import { sharedGroups } from '../locks/names.ts';
import type { Begin, Enlist, Hello, Transact } from '../messages.ts';
import type { Refusal } from '../term/events.ts';
import type { Rights } from './rights.ts';

/** Of a hello: each of its roles, under its name. */
export function helloProblem(rights: Rights, hello: Pick<Hello, 'roles' | 'name'>): Refusal | null {
  const { roles, name } = hello;
  const role = roles.find((one) => !rights.roles.has(one));
  if (role !== undefined) return denied(rights, 'hello', `the role ${role}`, ['roles', role]);
  if (roles.includes('participant') && !rights.participants.match(name))
    return denied(rights, 'hello', `the participant ${name}`, ['participants', name]);
  if (roles.includes('client') && !rights.clients.match(name))
    return denied(rights, 'hello', `the client name ${name}`, ['clients', name]);
  return null;
}

/** Of what begins a transaction. */
export function beginProblem(rights: Rights, message: Begin | Transact): Refusal | null {
  const { type, labels = {}, lockGroup } = message;
  const label = Object.keys(labels).find((key) => !rights.labels.match(key));
  if (label !== undefined) return denied(rights, type, `the label ${label}`, ['labels', label]);
  if (lockGroup?.startsWith(sharedGroups) === true && !rights.lockGroups.match(lockGroup))
    return denied(rights, type, `the lock group ${lockGroup}`, ['lockGroups', lockGroup]);
  if (message.type === 'begin') return null;
  for (const { participant } of message.branches) {
    const problem = callProblem(rights, participant, message.type);
    if (problem !== null) return problem;
  }
  return null;
}

/** Of a branch that a client adds. */
export function callProblem(
  rights: Rights,
  participant: Enlist['participant'],
  call: 'transact' | 'enlist' = 'enlist',
): Refusal | null {
  return rights.calls.match(participant)
    ? null
    : denied(rights, call, `calls of ${participant}`, ['calls', participant]);
}

/** It tells no more than the rule that is missing: not whether there is such a thing. */
function denied(
  { name }: Rights,
  call: string,
  what: string,
  [field, value]: readonly [field: string, value: string],
): Refusal {
  return {
    code: 'FORBIDDEN',
    message: `${call} is refused: the access file does not give ${what} to the identity ${name}. ${JSON.stringify(value)} in "${field}" of its entry would.`,
  };
}

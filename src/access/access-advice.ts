/**
 * What is in an access file and has no effect, or is missing from it: it can be read, and a node
 * takes it, but whoever wrote it meant something else.
 */
import { readFileSync } from 'node:fs';
import { createLocalJWKSet, type JSONWebKeySet } from 'jose';
import { Patterns } from '../core/access/patterns.ts';
import { sharedGroups } from '../core/locks/names.ts';
import type { PeerRole } from '../core/messages.ts';
import { thrownText } from '../core/thrown.ts';
import { parseJson } from '../system/json-text.ts';
import type { AccessFile, IssuerEntry, WrittenIdentity } from './access-file.ts';

export interface AccessAdvice {
  /** Someone who stands in it cannot come in. */
  readonly errors: readonly string[];
  /** Nothing comes of a rule. */
  readonly warnings: readonly string[];
}

/** Which role a rule is for: without it no one asks for the rule. */
const fieldRoles = {
  participants: 'participant',
  clients: 'client',
  calls: 'client',
  labels: 'client',
  lockGroups: 'client',
  sees: 'client',
} as const satisfies Partial<Record<keyof WrittenIdentity, PeerRole>>;
type RoleField = keyof typeof fieldRoles;

/** Keys at a URL are not asked for: a node does that when a JWT comes. */
export function accessAdvice(file: AccessFile): AccessAdvice {
  const { identities } = file.written;
  const served = new Patterns(
    identities.flatMap(({ name, roles, participants = [name] }) =>
      roles.includes('participant') ? participants : [],
    ),
  );
  const open = identities.some(
    ({ roles, participants = [] }) =>
      roles.includes('participant') && participants.some((name) => name.endsWith('*')),
  );
  const keys = file.issuers.map(keyProblem);
  return {
    errors: keys.filter((problem) => problem !== null),
    warnings: [
      ...identities.flatMap((identity) => [
        ...withoutRole(identity),
        ...notShared(identity),
        // What begins as a pattern does may be anyone.
        ...(open ? [] : notServed(identity, served)),
      ]),
      ...unused(file),
      ...missing(identities),
    ],
  };
}

function withoutRole(identity: WrittenIdentity): string[] {
  const { name, roles } = identity;
  return (Object.keys(fieldRoles) as RoleField[]).flatMap((field) => {
    const role = fieldRoles[field];
    if (identity[field] === undefined || roles.includes(role)) return [];
    return [
      `"${field}" of ${name} has no effect: it is for the role ${role}, and ${name} is ${roles.join(' and ')}. Add ${role} to its "roles", or leave "${field}" out.`,
    ];
  });
}

/** Its own groups a client always has, and others' never. */
function notShared({ name, lockGroups = [] }: WrittenIdentity): string[] {
  const wrong = lockGroups.filter((pattern) => {
    const begin = pattern.endsWith('*') ? pattern.slice(0, -1) : null;
    return !pattern.startsWith(sharedGroups) && !(begin !== null && sharedGroups.startsWith(begin));
  });
  return wrong.map(
    (group) =>
      `"lockGroups" of ${name} names ${group}, which has no effect: only groups that begin with ${sharedGroups} are shared, and its own it always has. Write ${sharedGroups}${group}, as the client does, or leave it out.`,
  );
}

function notServed({ name, calls = [] }: WrittenIdentity, served: Patterns): string[] {
  return calls
    .filter((called) => !called.endsWith('*') && !served.match(called))
    .map(
      (called) =>
        `"calls" of ${name} names ${called}, which no identity may serve: such a call would wait in vain. Compare it with the "participants" of the others.`,
    );
}

function unused({ issuers, identities }: AccessFile): string[] {
  const used = new Set(
    identities.flatMap(({ credentials }) => credentials.subjects.map((one) => one.issuer)),
  );
  return issuers
    .filter(({ issuer }) => !used.has(issuer))
    .map(
      ({ issuer }) =>
        `The issuer ${issuer} has no effect: no identity has a credential of it. Give one {"issuer": ..., "subject": ...}, or leave the issuer out.`,
    );
}

function missing(identities: readonly WrittenIdentity[]): string[] {
  const has = (role: PeerRole) => identities.some(({ roles }) => roles.includes(role));
  return [
    ...(has('node')
      ? []
      : [
          'No identity has the role node: in a cluster the nodes refuse each other, and notice late when a leader dies. Give the nodes one; a node that is alone needs none.',
        ]),
    ...(has('operator')
      ? []
      : [
          'No identity has the role operator: no one could use verdict status or verdict tx. Give one to whoever looks after the cluster.',
        ]),
  ];
}

function keyProblem({ issuer, keys }: IssuerEntry): string | null {
  if (!('file' in keys)) return null;
  try {
    const set = parseJson(readFileSync(keys.file, 'utf8')) as JSONWebKeySet;
    createLocalJWKSet(set);
    if (set.keys.length > 0) return null;
    throw new Error('it holds no key');
  } catch (error) {
    return `The keys of the issuer ${issuer} cannot be read, so no JWT of it is taken: ${thrownText(error)}. Put its JWKS into ${keys.file}, or name another file under "keys".`;
  }
}

/** Identities as `--identity` gives them, and the access file that lists them. */

/** The trust domain in the names of identities (SPIFFE). */
const domain = 'spiffe://verdict.local';

/** In the certificate of every node: what an SDK takes as `nodeNames`. */
export const nodeName = 'verdict-node.internal';
/** Of the entry that stands for all nodes. */
export const nodesEntry = 'nodes';

export const grantable = ['participant', 'client', 'operator', 'viewer'] as const;
type GrantedRole = (typeof grantable)[number];

export interface GivenIdentity {
  readonly name: string;
  readonly roles: readonly GrantedRole[];
}

export interface AccessEntry {
  readonly name: string;
  readonly credentials: readonly { readonly uri: string }[];
  readonly roles: readonly (GrantedRole | 'node')[];
  readonly participants?: readonly string[];
  readonly clients?: readonly string[];
  readonly calls?: readonly string[];
  readonly labels?: readonly string[];
  readonly lockGroups?: readonly string[];
}

export function identityUri(name: string): string {
  return `${domain}/${name}`;
}

export function nodeUri(name: string): string {
  return `${domain}/node/${name}`;
}

/** `payment`, or with the one role that it is to have: `operator:alice`. */
export function parseIdentity(text: string): GivenIdentity {
  const role = grantable.find((each) => text.startsWith(`${each}:`));
  if (role === undefined) return { name: text, roles: ['client', 'participant'] };
  return { name: text.slice(role.length + 1), roles: [role] };
}

export function entryOf({ name, roles }: GivenIdentity): AccessEntry {
  return {
    name,
    credentials: [{ uri: identityUri(name) }],
    roles,
    ...(roles.includes('participant') ? { participants: [name] } : {}),
    ...(roles.includes('client')
      ? { clients: [name], calls: ['*'], labels: ['*'], lockGroups: ['shared/*'] }
      : {}),
  };
}

export function accessText(identities: readonly GivenIdentity[]): string {
  const nodes: AccessEntry = {
    name: nodesEntry,
    credentials: [{ uri: nodeUri('*') }],
    roles: ['node'],
  };
  const lines = [...identities.map(entryOf), nodes].map((entry) => `    ${JSON.stringify(entry)}`);
  return `{\n  "identities": [\n${lines.join(',\n')}\n  ]\n}\n`;
}

/** Of each name that the text has an entry for, its roles; none where it is no access file. */
export function rolesIn(text: string): ReadonlyMap<string, readonly string[]> {
  try {
    const { identities } = JSON.parse(text) as { identities: readonly AccessEntry[] };
    return new Map(identities.map(({ name, roles }) => [name, roles]));
  } catch {
    return new Map();
  }
}

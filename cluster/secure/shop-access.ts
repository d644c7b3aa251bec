/** Who is who in the shop's cluster, and what each may do: no more than it has to. */
import { serviceNames } from '../shop/paths.ts';

/** Hands orders in, with `verdict submit`. */
export const orderClient = 'checkout';
/** Looks at everything, and settles what needs a person. */
export const operator = 'admin';
/** The name that commands are clients by. */
const commandName = 'verdict-cli';

/** As `verdict dev-ca --identity` takes them: `participant:payment`. */
export function identitiesOfShop(more: readonly string[] = []): readonly string[] {
  const services = serviceNames.map((name) => `participant:${name}`);
  return [...services, `client:${orderClient}`, `operator:${operator}`, ...more];
}

export function nameOf(identity: string): string {
  return identity.slice(identity.indexOf(':') + 1);
}

/** A service serves its own name alone; the client calls these services alone. */
export function accessOfShop(more: readonly string[] = []): string {
  const nodes = {
    name: 'nodes',
    credentials: [{ uri: 'spiffe://verdict.local/node/*' }],
    roles: ['node'],
  };
  return `${JSON.stringify({ identities: [...identitiesOfShop(more).map(entryOf), nodes] }, null, 2)}\n`;
}

function entryOf(identity: string): object {
  const name = nameOf(identity);
  const roles =
    name === identity ? ['client', 'participant'] : [identity.slice(0, -name.length - 1)];
  return {
    name,
    credentials: [{ uri: `spiffe://verdict.local/${name}` }],
    roles,
    ...(roles.includes('participant') && { participants: [name] }),
    ...(roles.includes('client') && clientRights(name)),
  };
}

function clientRights(name: string): object {
  return name === orderClient
    ? { clients: [name, commandName], calls: serviceNames, labels: ['expected'] }
    : { clients: [name], calls: ['*'], labels: ['*'], lockGroups: ['shared/*'] };
}

/** The arguments of `verdict dev-ca`: names that are files and URIs too, so plain ones alone. */
import { InvalidArgumentError } from 'commander';
import { nearest } from '../nearest.ts';
import { type GivenIdentity, grantable, nodesEntry, parseIdentity } from './access.ts';
import { hostForm } from './host.ts';

/** What a SPIFFE path may hold, and no more than a common name may. */
const plainName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

export function isPlainName(text: string): boolean {
  return plainName.test(text);
}

export function nodeNames(text: string): readonly string[] {
  return listed(text, plain);
}

export function identities(text: string): readonly GivenIdentity[] {
  return listed(text, (part) => {
    const identity = parseIdentity(part);
    refuseRole(identity.name);
    plain(identity.name);
    if (identity.name.toLowerCase() === nodesEntry) {
      throw new InvalidArgumentError(
        `"${nodesEntry}" is the entry of all nodes in the access file. Choose another name.`,
      );
    }
    return identity;
  });
}

/** What is left of a known role holds no colon. */
function refuseRole(name: string): void {
  const [role = '', ...rest] = name.split(':');
  if (rest.length === 0) return;
  const near = nearest(role, grantable);
  const meant = near === null ? '' : ` Did you mean ${near}:${rest.join(':')}?`;
  throw new InvalidArgumentError(
    `${JSON.stringify(role)} is no role that an identity can have before its name: there are ${grantable.join(', ')}.${meant}`,
  );
}

export function hosts(text: string): readonly string[] {
  return listed(text, (part) => {
    const form = hostForm(part);
    if (form !== null) return form;
    throw new InvalidArgumentError(
      `${JSON.stringify(part)} is no host. Write DNS names and IP addresses, without ports and brackets, with commas between.`,
    );
  });
}

export function directoryArgument(text: string): string {
  if (text.trim() !== '' && !text.includes('\0')) return text;
  throw new InvalidArgumentError('Write the path of a directory.');
}

function plain(name: string): string {
  if (isPlainName(name)) return name;
  throw new InvalidArgumentError(
    `${JSON.stringify(name)} cannot be a name here. Write 1 to 64 letters, digits, dots, hyphens and underscores, a letter or digit first; separate several with commas.`,
  );
}

/** Two that differ in capitals alone would be one file on some systems. */
function listed<T extends string | GivenIdentity>(
  text: string,
  parse: (part: string) => T,
): readonly T[] {
  const all = text.split(',').map((part) => parse(part.trim()));
  const seen = new Set<string>();
  for (const each of all) {
    const name = typeof each === 'string' ? each : each.name;
    if (seen.has(name.toLowerCase())) {
      throw new InvalidArgumentError(`${JSON.stringify(name)} is there twice. Give each once.`);
    }
    seen.add(name.toLowerCase());
  }
  return all;
}

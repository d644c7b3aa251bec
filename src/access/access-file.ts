/**
 * The access file: identities, their credentials, and what each may do. docs/SECURITY.md documents
 * it. What is wrong with it is told by its path, all at once.
 */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import {
  array,
  check,
  type InferOutput,
  integer,
  minLength,
  minValue,
  number,
  optional,
  picklist,
  pipe,
  safeParse,
  strictObject,
  string,
  union,
} from 'valibot';
import { Patterns } from '../core/access/patterns.ts';
import type { Rights } from '../core/access/rights.ts';
import { defined } from '../core/defined.ts';
import { type PeerRole, peerRoles } from '../core/messages.ts';
import { isName, nameText } from '../core/names.ts';
import { thrownLine } from '../core/thrown.ts';
import { isTokenText, tokenText } from '../peer/token.ts';
import { parseJson } from '../system/json-text.ts';
import { readSecretFile } from '../system/secret-file.ts';
import { subnetIn } from '../system/subnet.ts';
import { maxNameBytes } from '../wire/limits.ts';
import { comparable } from './identities.ts';

/** Says what is wrong with the file, and where. */
export class AccessFileError extends Error {
  override readonly name = 'AccessFileError';
}

const name = pipe(
  string(),
  check((text) => isName(text, maxNameBytes), `must be ${nameText(maxNameBytes)}`),
);
/** A name, or the beginning of names and a `*`. */
const pattern = pipe(
  string(),
  check(
    (text) => text === '*' || isName(text, maxNameBytes),
    `must be ${nameText(maxNameBytes)}, or the beginning of names and a * behind it`,
  ),
  check(
    (text) => !text.slice(0, -1).includes('*'),
    'may hold a * only as its last character, where it stands for any ending',
  ),
);
const patterns = optional(array(pattern));
const many = optional(pipe(array(pattern), minLength(1, 'is empty: leave it out')));
const count = optional(atLeast(0));
const text = pipe(string(), minLength(1, 'is empty'));

const credential = union(
  [
    strictObject({ uri: pattern }),
    strictObject({ dns: pattern }),
    strictObject({ tokenFile: text }),
    strictObject({ issuer: text, subject: pattern }),
  ],
  'must be one of {"uri": …}, {"dns": …}, {"tokenFile": …}, {"issuer": …, "subject": …}',
);

const identity = strictObject({
  name,
  credentials: pipe(array(credential), minLength(1, 'is empty: no one could be this identity')),
  roles: pipe(array(picklist(peerRoles)), minLength(1, 'is empty: it could do nothing')),
  participants: many,
  clients: many,
  calls: patterns,
  labels: patterns,
  lockGroups: patterns,
  sees: optional(picklist(['own', 'all'])),
  quotas: optional(
    strictObject({
      connections: count,
      bytesPerSecond: optional(atLeast(1_024)),
      transactions: count,
      locks: count,
      requestIdsPerSecond: optional(atLeast(1)),
      requestIds: count,
      instances: count,
    }),
  ),
});

const issuer = strictObject({
  issuer: text,
  audience: text,
  algorithms: pipe(
    array(
      picklist(
        ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'],
        'must be an asymmetric algorithm, such as ES256, RS256 or EdDSA',
      ),
    ),
    minLength(1, 'is empty'),
  ),
  keys: union(
    [
      strictObject({ file: text }),
      strictObject({
        url: pipe(
          text,
          check(isPlainUrl, 'must be https://, or http:// on this machine, without a user'),
        ),
      }),
    ],
    'must be {"file": …} or {"url": …} of a JWKS',
  ),
});

const accessFile = strictObject({
  $schema: optional(string()),
  identities: pipe(array(identity), minLength(1, 'is empty: no one could connect')),
  issuers: optional(array(issuer)),
  trustedProxies: optional(
    array(
      pipe(
        text,
        check(
          (one) => subnetIn(one) !== null,
          'must be an address or a subnet, such as 10.0.0.7 or 10.0.0.0/8',
        ),
      ),
    ),
  ),
});

/** `fetch` takes no other. */
function isPlainUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { hostname, protocol, username, password } = new URL(text);
  const isNear = ['localhost', '127.0.0.1', '[::1]'].includes(hostname);
  // Whoever is on the way to it would make the identities.
  const isSafe = protocol === 'https:' || (protocol === 'http:' && isNear);
  return isSafe && username === '' && password === '';
}

type Written = InferOutput<typeof accessFile>;

/** What may be in an entry beside credentials and quotas. */
export interface WrittenIdentity {
  readonly name: string;
  readonly roles: readonly PeerRole[];
  readonly participants?: readonly string[] | undefined;
  readonly clients?: readonly string[] | undefined;
  readonly calls?: readonly string[] | undefined;
  readonly labels?: readonly string[] | undefined;
  readonly lockGroups?: readonly string[] | undefined;
  readonly sees?: 'own' | 'all' | undefined;
}

/** Whose JWTs are taken. */
export interface IssuerEntry {
  readonly issuer: string;
  readonly audience: string;
  readonly algorithms: readonly string[];
  readonly keys: { readonly file: string } | { readonly url: string };
}

export interface Credentials {
  /** `URI:…` and `DNS:…`. */
  readonly names: readonly string[];
  readonly tokens: readonly string[];
  readonly subjects: readonly { readonly issuer: string; readonly subject: string }[];
}

export interface IdentityEntry {
  readonly rights: Rights;
  /** All of it, for comparison; with secrets. */
  readonly text: string;
  readonly credentials: Credentials;
}

export interface AccessFile {
  /** That were read: this one, and those of its tokens. */
  readonly files: readonly string[];
  /** As it was written: it names the files of tokens, and holds none. */
  readonly written: {
    readonly identities: readonly WrittenIdentity[];
    readonly issuers?: readonly { readonly keys: IssuerEntry['keys'] }[] | undefined;
  };
  /** Of the rest of it, for comparison. */
  readonly text: string;
  readonly identities: readonly IdentityEntry[];
  readonly issuers: readonly IssuerEntry[];
  readonly trustedProxies: readonly string[];
}

/** `file`: paths in it are relative to its place. Throws an AccessFileError. */
export function readAccessFile(file: string): AccessFile {
  let written: unknown;
  try {
    written = parseJson(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new AccessFileError(`The access file ${file} cannot be read: ${thrownLine(error)}.`, {
      cause: error,
    });
  }
  const parsed = safeParse(accessFile, written);
  if (!parsed.success) {
    const problems = parsed.issues.map(({ path, message, expected, received }) => {
      const place = (path ?? []).map(({ key }) => String(key)).join('.');
      const wrong =
        expected === 'never' ? 'there is no such field' : wordsOf(message, expected, received);
      return `${place === '' ? 'it' : place}: ${wrong}`;
    });
    throw new AccessFileError(`The access file ${file} is wrong. ${problems.join('. ')}.`);
  }
  return { ...resolved(parsed.output, file), written: parsed.output };
}

function resolved(
  { identities, issuers = [], trustedProxies = [] }: Written,
  file: string,
): Omit<AccessFile, 'written'> {
  const entries = identities.map((entry) => {
    const credentials = credentialsOf(entry, file);
    return { rights: rightsOf(entry), credentials, text: JSON.stringify([entry, credentials]) };
  });
  refuseDoubles(
    file,
    'name',
    entries.map(({ rights }) => rights.name),
  );
  refuseDoubles(
    file,
    'credential',
    entries.flatMap(({ credentials: { names, subjects } }) => [
      ...names,
      ...subjects.map(({ issuer: by, subject }) => `${subject} of ${by}`),
    ]),
  );
  refuseDoubles(
    file,
    'token',
    entries.flatMap(({ credentials }) => credentials.tokens),
    'secret',
  );
  refuseDoubles(
    file,
    'issuer',
    issuers.map((one) => one.issuer),
  );
  for (const { rights, credentials } of entries) {
    const unknown = credentials.subjects.find(
      ({ issuer: by }) => !issuers.some((one) => one.issuer === by),
    );
    if (unknown === undefined) continue;
    throw new AccessFileError(
      `The access file ${file} is wrong. ${rights.name} has a credential of the issuer ${unknown.issuer}, which is not under "issuers": add it there, with its audience, algorithms and keys.`,
    );
  }
  const directory = dirname(file);
  const tokenFiles = identities.flatMap(({ credentials }) =>
    credentials.flatMap((one) => ('tokenFile' in one ? [resolve(directory, one.tokenFile)] : [])),
  );
  return {
    files: [file, ...tokenFiles],
    text: JSON.stringify([issuers, trustedProxies]),
    identities: entries,
    issuers: issuers.map((one) =>
      'file' in one.keys ? { ...one, keys: { file: resolve(directory, one.keys.file) } } : one,
    ),
    trustedProxies,
  };
}

/** `message` is ours where the rule has one. */
function wordsOf(message: string, expected: string | null, received: string): string {
  const isOurs = !message.startsWith('Invalid');
  return isOurs ? message : `must be ${expected ?? 'something else'}, not ${received}`;
}

/** Where no names are given, it has its own. */
function rightsOf(entry: Written['identities'][number]): Rights {
  const {
    name: own,
    roles,
    participants,
    clients,
    calls,
    labels,
    lockGroups,
    sees,
    quotas,
  } = entry;
  return {
    name: own,
    roles: new Set(roles),
    participants: new Patterns(participants ?? [own]),
    clients: new Patterns(clients ?? [own]),
    calls: new Patterns(calls ?? []),
    labels: new Patterns(labels ?? []),
    lockGroups: new Patterns(lockGroups ?? []),
    sees: sees ?? 'own',
    quotas: defined(quotas ?? {}),
  };
}

function credentialsOf({ credentials }: Written['identities'][number], file: string): Credentials {
  return {
    names: credentials.flatMap((one) => {
      if ('uri' in one) return [`URI:${one.uri}`];
      return 'dns' in one ? [comparable(`DNS:${one.dns}`)] : [];
    }),
    tokens: credentials.flatMap((one) =>
      'tokenFile' in one ? [tokenIn(resolve(dirname(file), one.tokenFile))] : [],
    ),
    subjects: credentials.flatMap((one) => ('subject' in one ? [one] : [])),
  };
}

/** A short one could be guessed from a proof that someone listened to. */
const minTokenCharacters = 20;

function tokenIn(file: string): string {
  const token = (readSecretFile(file, 'token').split('\n', 1)[0] ?? '').trim();
  if (!isTokenText(token) || token.length < minTokenCharacters) {
    throw new AccessFileError(
      `The first line of ${file} must be a token of ${tokenText}, and of ${minTokenCharacters} at least: a random one, such as from "openssl rand -hex 32".`,
    );
  }
  return token;
}

function refuseDoubles(
  file: string,
  what: string,
  values: readonly string[],
  isShown: 'shown' | 'secret' = 'shown',
): void {
  const double = values.find((value, at) => values.indexOf(value) !== at);
  if (double === undefined) return;
  const which = isShown === 'shown' ? ` ${double}` : '';
  throw new AccessFileError(
    `The access file ${file} is wrong. The ${what}${which} stands there twice: it must lead to one identity.`,
  );
}

function atLeast(min: number) {
  return pipe(number(), integer('must be a whole number'), minValue(min, `must be ${min} or more`));
}

/** `verdict dev-ca`: an authority on disk, and certificates of nodes and identities from it. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { CommandError } from '../command-error.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import type { Io, StopSignal } from '../io.ts';
import {
  accessText,
  type GivenIdentity,
  identityUri,
  nodeName,
  nodeUri,
  parseIdentity,
  rolesIn,
} from './access.ts';
import { type AlternativeName, type Credential, issue, makeAuthority } from './certificate.ts';
import {
  certificateFile,
  certificateNames,
  keyFile,
  readFile,
  readPair,
  type Write,
  writeAll,
} from './files.ts';
import { hostForm } from './host.ts';
import { type Line, type Report, reportText } from './report.ts';

export interface DevCaFlags {
  readonly directory: string;
  readonly node?: readonly string[];
  readonly host?: readonly string[];
  readonly identity?: readonly GivenIdentity[];
  readonly days: number;
  readonly renew?: true;
}

const authorityName = 'Verdict dev-ca: for trying and tests';
const dayMs = 86_400_000;
const authorityDays = 3_650;
/** Machines whose clocks are behind take a new certificate, too. */
const skewMs = 300_000;

export async function devCa(
  io: Io,
  flags: DevCaFlags,
  now: number = Date.now(),
): Promise<ExitCode> {
  const stopped: StopSignal[] = [];
  const release = io.onStopSignal((signal) => stopped.push(signal));
  try {
    const plan = await planOf(flags, now);
    // What follows does not wait, so a signal that comes now finds everything written.
    const [signal] = stopped;
    if (signal !== undefined) {
      io.stderr.write(`Stopped by ${signal}. Nothing was written.\n`);
      return signal === 'SIGINT' ? exitCodes.interrupted : exitCodes.terminated;
    }
    writeAll(plan.directories, plan.writes);
    io.stdout.write(reportText(plan));
    return exitCodes.ok;
  } finally {
    release();
  }
}

interface Plan extends Report {
  readonly directories: readonly string[];
  readonly writes: readonly Write[];
}

/** Everything is read, checked and made before anything is written. */
async function planOf(flags: DevCaFlags, now: number): Promise<Plan> {
  const { directory } = flags;
  const at = { nodes: join(directory, 'nodes'), identities: join(directory, 'identities') };
  const found = {
    nodes: certificateNames(at.nodes),
    identities: certificateNames(at.identities),
  };
  const givenNodes = flags.node ?? (found.nodes.length > 0 ? [] : ['a']);
  const givenIdentities =
    flags.identity ??
    (found.identities.length > 0 ? [] : ['app', 'operator:admin'].map(parseIdentity));
  const writes: Write[] = [];
  const lines: Line[] = [];
  const authority = await authorityOf(join(directory, 'ca'), now, writes, lines);
  const all = { authority, flags, now, writes, lines };
  const nodes = union(givenNodes, found.nodes);
  const identities = union(
    givenIdentities.map(({ name }) => name),
    found.identities,
  );
  const local = ['localhost', '127.0.0.1', '::1', hostForm(hostname())];
  for (const name of nodes) {
    // One that is there and not meant keeps the hosts that it has.
    const isMeant =
      givenNodes.includes(name) || (flags.node === undefined && flags.host !== undefined);
    const added = isMeant ? [...local, ...(flags.host ?? [])] : [];
    await leafOf(join(at.nodes, name), nodeUri(name), name, added, all);
  }
  for (const name of identities) {
    await leafOf(join(at.identities, name), identityUri(name), name, null, all);
  }
  const accessFile = join(directory, 'access.json');
  const access = readFile(accessFile);
  if (access === null) {
    writes.push({ path: accessFile, text: accessText(givenIdentities), replaced: false });
  }
  const listed = rolesIn(access ?? accessText(givenIdentities));
  if (flags.identity !== undefined) refuseOtherRoles(flags.identity, listed, accessFile);
  const ignore = join(directory, '.gitignore');
  if (readFile(ignore) === null) writes.push({ path: ignore, text: '*\n', replaced: false });
  return {
    directory,
    directories: [directory, at.nodes, at.identities],
    writes,
    lines,
    nodes,
    example: identities[0] ?? '',
    unlisted: givenIdentities.filter(({ name }) => !listed.has(name)),
    unknown: found.identities.filter(
      (name) => !listed.has(name) && !givenIdentities.some((given) => given.name === name),
    ),
  };
}

/** The file is the user's by now: neither it nor what was asked for is right without a word. */
function refuseOtherRoles(
  given: readonly GivenIdentity[],
  listed: ReadonlyMap<string, readonly string[]>,
  accessFile: string,
): void {
  for (const { name, roles } of given) {
    const has = listed.get(name);
    if (has === undefined || roles.every((role) => has.includes(role))) continue;
    throw new CommandError(
      'INPUT',
      `${name} is ${listOf(has)} in ${accessFile}, and you ask for ${listOf(roles)}. Nothing was written. Choose another name, or change "roles" of its entry there; what is there for it stays as it is with --identity ${asGiven(name, has)}.`,
    );
  }
}

function listOf(roles: readonly string[]): string {
  return roles.join(' and ');
}

/** Of one role, it is named; both are the default. */
function asGiven(name: string, roles: readonly string[]): string {
  return roles.length === 1 ? `${roles[0]}:${name}` : name;
}

async function authorityOf(
  stem: string,
  now: number,
  writes: Write[],
  lines: Line[],
): Promise<Credential> {
  const { certificate, key } = readPair(stem);
  const [crt, pem] = [certificateFile(stem), keyFile(stem)];
  const request = { commonName: authorityName, ...validity(now, authorityDays) };
  if (certificate === null && key === null) {
    const made = await makeAuthority(request);
    writes.push(
      { path: pem, text: made.key, replaced: false },
      { path: crt, text: made.certificate, replaced: false },
    );
    lines.push({ did: 'made', path: crt, untilMs: request.notAfterMs });
    return made;
  }
  if (certificate === null || key === null) {
    const [there, missing] = certificate === null ? [pem, crt] : [crt, pem];
    throw foreign(`${there} is there, and ${missing} is not`, 'Bring it back');
  }
  const x509 = parsed(crt, certificate);
  if (x509.subject !== `CN=${authorityName}` || !x509.checkIssued(x509)) {
    throw foreign(`${crt} is not an authority that this command made`);
  }
  requireKeyOf(x509, key, crt, pem);
  if (!isDue(x509, now)) {
    lines.push({ did: 'kept', path: crt, untilMs: x509.validToDate.getTime() });
    return { certificate, key };
  }
  // The key and the name stay, so what it issued before holds under the new certificate, too.
  const made = await makeAuthority({ ...request, key });
  writes.push({ path: crt, text: made.certificate, replaced: true });
  lines.push({ did: 'renewed', path: crt, untilMs: request.notAfterMs });
  return made;
}

interface All {
  readonly authority: Credential;
  readonly flags: DevCaFlags;
  readonly now: number;
  readonly writes: Write[];
  readonly lines: Line[];
}

/** `added`: hosts of a node, null for an identity. A null in it is a name that cannot be one. */
async function leafOf(
  stem: string,
  uri: string,
  commonName: string,
  added: readonly (string | null)[] | null,
  { authority, flags, now, writes, lines }: All,
): Promise<void> {
  const [crt, pem] = [certificateFile(stem), keyFile(stem)];
  const { certificate, key } = readPair(stem);
  const before = certificate === null ? null : ownLeaf(crt, certificate, uri, authority);
  if (before !== null && key !== null) requireKeyOf(before, key, crt, pem);
  if (before === null && key !== null) throw foreign(`${pem} is there, and ${crt} is not`);
  const had = before === null ? [] : hostsOf(before);
  const hosts =
    added === null
      ? []
      : union(
          had,
          added.filter((host) => host !== null),
        );
  const isWhole = before !== null && key !== null && hosts.every((host) => had.includes(host));
  if (isWhole && flags.renew !== true && !isDue(before, now)) {
    lines.push({ did: 'kept', path: crt, untilMs: before.validToDate.getTime(), hosts });
    return;
  }
  const times = validity(now, flags.days);
  const made = await issue(authority, {
    commonName,
    ...times,
    // A certificate is replaced at once, a pair is not: so the key stays.
    ...(key === null ? {} : { key }),
    names: [`URI:${uri}`, ...(added === null ? [] : [nodeName, ...hosts]).map(alternativeName)],
    usages: added === null ? ['clientAuth'] : ['serverAuth', 'clientAuth'],
  });
  if (key === null) writes.push({ path: pem, text: made.key, replaced: false });
  writes.push({ path: crt, text: made.certificate, replaced: before !== null });
  const did = before === null ? 'made' : 'renewed';
  lines.push({ did, path: crt, untilMs: times.notAfterMs, hosts });
}

function ownLeaf(
  path: string,
  certificate: string,
  uri: string,
  authority: Credential,
): X509Certificate {
  const x509 = parsed(path, certificate);
  const isOurs = x509.verify(new X509Certificate(authority.certificate).publicKey);
  const names = x509.subjectAltName?.split(', ') ?? [];
  if (isOurs && names.includes(`URI:${uri}`)) return x509;
  throw foreign(`${path} is not the certificate of ${uri} from the authority next to it`);
}

function parsed(path: string, certificate: string): X509Certificate {
  try {
    return new X509Certificate(certificate);
  } catch {
    throw foreign(`${path} is no certificate`);
  }
}

function requireKeyOf(x509: X509Certificate, key: string, crt: string, pem: string): void {
  try {
    if (x509.checkPrivateKey(createPrivateKey(key))) return;
  } catch {
    // No key at all.
  }
  throw foreign(`${pem} is not the key of ${crt}`);
}

/** As issued here, without the name that all nodes have. */
function hostsOf({ subjectAltName = '' }: X509Certificate): readonly string[] {
  return subjectAltName
    .split(', ')
    .map((name) => /^(?:DNS|IP Address):(.*)$/.exec(name)?.[1])
    .filter((host) => host !== undefined && host !== nodeName)
    .map((host) => hostForm(host ?? ''))
    .filter((host) => host !== null);
}

function alternativeName(host: string): AlternativeName {
  return isIP(host) === 0 ? `DNS:${host}` : `IP:${host}`;
}

/** In the last third of its life, or past it. */
function isDue({ validFromDate, validToDate }: X509Certificate, now: number): boolean {
  const endMs = validToDate.getTime();
  return now > endMs - (endMs - validFromDate.getTime()) / 3;
}

function validity(now: number, days: number): { notBeforeMs: number; notAfterMs: number } {
  return { notBeforeMs: now - skewMs, notAfterMs: now + days * dayMs };
}

function union(one: readonly string[], other: readonly string[]): readonly string[] {
  return [...new Set([...one, ...other])];
}

function foreign(problem: string, instead = 'Move it away'): CommandError {
  return new CommandError(
    'INPUT',
    `${problem}. Nothing was written. ${instead}, or give another --directory.`,
  );
}

/**
 * Certificates and their keys, made in memory: an authority, and what it issues. ECDSA on P-256,
 * signed with SHA-256; times and names are whatever the caller says, be they of any use or not.
 */
import { createHash, type webcrypto } from 'node:crypto';
import { Integer, OctetString, Utf8String } from 'asn1js';
import {
  AttributeTypeAndValue,
  AuthorityKeyIdentifier,
  BasicConstraints,
  Certificate,
  Extension,
  ExtKeyUsage,
  GeneralName,
  GeneralNames,
  Time,
} from 'pkijs';
import { addressBytes } from './host.ts';

type CryptoKey = webcrypto.CryptoKey;

/** Both PEM; the key as PKCS 8. */
export interface Credential {
  readonly certificate: string;
  readonly key: string;
}

/** A subject alternative name, after its kind. */
export type AlternativeName = `${'DNS' | 'IP' | 'URI'}:${string}`;
export type Usage = 'serverAuth' | 'clientAuth';

interface Request {
  /** The subject's common name. Who it is, its alternative names say. */
  readonly commonName: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** PEM of a key to keep: a new certificate for what has one. Default: a new key. */
  readonly key?: string;
}

export type AuthorityRequest = Request;

export interface LeafRequest extends Request {
  readonly names: readonly AlternativeName[];
  readonly usages: readonly Usage[];
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const oids = {
  commonName: '2.5.4.3',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  alternativeNames: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const;

/** DER of a BIT STRING: unused bits, then the bits from the first usage on (RFC 5280, 4.2.1.3). */
const keyUsages = {
  keyCertSignAndCrlSign: Uint8Array.of(0x03, 0x02, 0x01, 0x06),
  digitalSignature: Uint8Array.of(0x03, 0x02, 0x07, 0x80),
} as const;

/** Signed by itself. It may issue certificates, but no further authorities. */
export async function makeAuthority(request: AuthorityRequest): Promise<Credential> {
  const keys = await keysOf(request.key);
  const certificate = await unsigned(request, request.commonName, keys);
  certificate.extensions = [
    extension(
      oids.basicConstraints,
      new BasicConstraints({ cA: true, pathLenConstraint: 0 }).toSchema().toBER(),
      'critical',
    ),
    extension(oids.keyUsage, keyUsages.keyCertSignAndCrlSign, 'critical'),
    subjectKeyIdentifier(keys),
  ];
  return signed(certificate, keys, keys.privateKey);
}

/** Signed by the authority, whether or not that is still valid then. */
export async function issue(authority: Credential, request: LeafRequest): Promise<Credential> {
  const [keys, issuer] = await Promise.all([keysOf(request.key), keysOf(authority.key)]);
  const certificate = await unsigned(request, commonNameOf(authority), keys);
  const { usages, names } = request;
  certificate.extensions = [
    extension(oids.basicConstraints, new BasicConstraints().toSchema().toBER(), 'critical'),
    extension(oids.keyUsage, keyUsages.digitalSignature, 'critical'),
    extension(
      oids.extendedKeyUsage,
      new ExtKeyUsage({ keyPurposes: usages.map((usage) => oids[usage]) }).toSchema().toBER(),
    ),
    subjectKeyIdentifier(keys),
    extension(
      oids.authorityKeyIdentifier,
      new AuthorityKeyIdentifier({
        keyIdentifier: new OctetString({ valueHex: identifier(issuer) }),
      })
        .toSchema()
        .toBER(),
    ),
    ...(names.length === 0
      ? []
      : [
          extension(
            oids.alternativeNames,
            new GeneralNames({ names: names.map(generalName) }).toSchema().toBER(),
          ),
        ]),
  ];
  return signed(certificate, keys, issuer.privateKey);
}

interface Keys {
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  readonly pem: string;
  /** DER, SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
}

async function keysOf(pem: string | undefined): Promise<Keys> {
  const { subtle } = crypto;
  if (pem === undefined) {
    const pair = await subtle.generateKey(algorithm, true, ['sign', 'verify']);
    const pkcs8 = new Uint8Array(await subtle.exportKey('pkcs8', pair.privateKey));
    const spki = new Uint8Array(await subtle.exportKey('spki', pair.publicKey));
    return { ...pair, pem: pemText('PRIVATE KEY', pkcs8), spki };
  }
  const privateKey = await subtle.importKey('pkcs8', derOf(pem), algorithm, true, ['sign']);
  const { kty = '', crv = '', x = '', y = '' } = await subtle.exportKey('jwk', privateKey);
  const publicKey = await subtle.importKey('jwk', { kty, crv, x, y }, algorithm, true, ['verify']);
  return {
    privateKey,
    publicKey,
    pem,
    spki: new Uint8Array(await subtle.exportKey('spki', publicKey)),
  };
}

async function unsigned(
  { commonName, notBeforeMs, notAfterMs }: Request,
  issuer: string,
  { publicKey }: Keys,
): Promise<Certificate> {
  const certificate = new Certificate();
  // Counted from 0: the third version, which has extensions.
  certificate.version = 2;
  const serial = crypto.getRandomValues(new Uint8Array(16));
  // Positive, and no leading zeros: one form alone is DER.
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  certificate.serialNumber = new Integer({ valueHex: serial });
  certificate.subject.typesAndValues = [nameAttribute(commonName)];
  certificate.issuer.typesAndValues = [nameAttribute(issuer)];
  certificate.notBefore = time(notBeforeMs);
  certificate.notAfter = time(notAfterMs);
  await certificate.subjectPublicKeyInfo.importKey(publicKey);
  return certificate;
}

async function signed(
  certificate: Certificate,
  { pem }: Keys,
  issuer: CryptoKey,
): Promise<Credential> {
  await certificate.sign(issuer, 'SHA-256');
  const der = new Uint8Array(certificate.toSchema(true).toBER());
  return { certificate: pemText('CERTIFICATE', der), key: pem };
}

function nameAttribute(value: string): AttributeTypeAndValue {
  return new AttributeTypeAndValue({ type: oids.commonName, value: new Utf8String({ value }) });
}

function commonNameOf({ certificate }: Credential): string {
  const [first] = Certificate.fromBER(derOf(certificate)).subject.typesAndValues;
  if (first?.value instanceof Utf8String) return first.value.getValue();
  throw new TypeError('The authority has no common name that was made here.');
}

/** As RFC 5280 has it: two digits of the year up to 2049. */
function time(ms: number): Time {
  const value = new Date(ms);
  return new Time({ type: value.getUTCFullYear() < 2050 ? 0 : 1, value });
}

function generalName(name: AlternativeName): GeneralName {
  const kind = name.slice(0, name.indexOf(':'));
  const value = name.slice(kind.length + 1);
  if (kind === 'DNS') return new GeneralName({ type: 2, value });
  if (kind === 'URI') return new GeneralName({ type: 6, value });
  return new GeneralName({ type: 7, value: new OctetString({ valueHex: addressBytes(value) }) });
}

function extension(
  id: string,
  der: ArrayBuffer | Uint8Array<ArrayBuffer>,
  critical?: 'critical',
): Extension {
  const extnValue = der instanceof Uint8Array ? der.slice().buffer : der;
  return new Extension({ extnID: id, critical: critical !== undefined, extnValue });
}

function subjectKeyIdentifier(keys: Keys): Extension {
  const value = new OctetString({ valueHex: identifier(keys) });
  return extension(oids.subjectKeyIdentifier, value.toBER());
}

/** Only to find the issuer by: nothing hangs on its strength. */
function identifier({ spki }: Keys): Uint8Array<ArrayBuffer> {
  return new Uint8Array(createHash('sha256').update(spki).digest().subarray(0, 20));
}

function pemText(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

function derOf(pem: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(pem.replaceAll(/-----[^-]+-----/g, ''), 'base64'));
}

/** Intermediates, for tests: an authority's certificate made anew, of another issuer. */
import { Integer } from 'asn1js';
import { BasicConstraints, Certificate, Extension } from 'pkijs';

export interface CrossSigned {
  /** Who it says that issued it. */
  readonly issuer: string;
  /** PEM: with what it is signed. */
  readonly key: string;
  /** Default true. */
  readonly isAuthority?: boolean;
}

const basicConstraints = '2.5.29.19';

/** PEM: the name, the key and the key id of `certificate`. */
export async function crossSigned(
  certificate: string,
  { issuer, key, isAuthority = true }: CrossSigned,
): Promise<string> {
  const made = Certificate.fromBER(derOf(certificate));
  made.issuer = Certificate.fromBER(derOf(issuer)).subject;
  made.serialNumber = new Integer({ value: 77 });
  const extnValue = new BasicConstraints(isAuthority ? { cA: true } : {}).toSchema().toBER();
  made.extensions = (made.extensions ?? []).map((one) =>
    one.extnID === basicConstraints
      ? new Extension({ extnID: basicConstraints, critical: true, extnValue })
      : one,
  );
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
  const signing = await crypto.subtle.importKey('pkcs8', derOf(key), algorithm, true, ['sign']);
  await made.sign(signing, 'SHA-256');
  const base64 = Buffer.from(made.toSchema(true).toBER()).toString('base64');
  return `-----BEGIN CERTIFICATE-----\n${base64.match(/.{1,64}/g)?.join('\n')}\n-----END CERTIFICATE-----\n`;
}

export async function freshKey(): Promise<string> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
  const { privateKey } = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', privateKey));
  return `-----BEGIN PRIVATE KEY-----\n${der.toString('base64')}\n-----END PRIVATE KEY-----\n`;
}

function derOf(pem: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(pem.replaceAll(/-----[^-]+-----/g, ''), 'base64'));
}

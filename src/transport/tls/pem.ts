/** What is in PEM, looked at before it is used: OpenSSL takes much of what is wrong in silence. */
import type { X509Certificate } from 'node:crypto';
import process from 'node:process';
import type * as Tls from 'node:tls';
import { certificatesIn, withoutMarks } from '../../system/pem-certificates.ts';

/** Something to be corrected before TLS can be spoken. The text says what. */
export class TlsError extends Error {
  override readonly name = 'TlsError';
}

/** Each with the name of its option, for messages. */
export interface PemParts {
  readonly ca?: PemPart | undefined;
  readonly cert?: PemPart | undefined;
  readonly key?: PemPart | undefined;
}

export interface PemPart {
  readonly option: string;
  readonly pem: string;
}

/** None but TLS 1.2 and 1.3; the ciphers are Node's. Throws a TlsError. */
export function secureOptions({ ca, cert, key }: PemParts): Tls.SecureContextOptions {
  if (ca !== undefined) certificateIn(ca);
  if (cert !== undefined) certificateIn(cert);
  const options: Tls.SecureContextOptions = {
    minVersion: 'TLSv1.2',
    ...(ca !== undefined && { ca: withoutMarks(ca.pem) }),
    ...(cert !== undefined && { cert: withoutMarks(cert.pem) }),
    ...(key !== undefined && { key: withoutMarks(key.pem) }),
  };
  try {
    // Together: only so a key of another certificate is noticed.
    process.getBuiltinModule('node:tls').createSecureContext(options);
  } catch (error) {
    throw new TlsError(problemOf(error as Error & { code?: string }, { cert, key }), {
      cause: error,
    });
  }
  return options;
}

/** The first one, which in a chain is the holder's own. Throws a TlsError where any is broken. */
export function certificateIn({ option, pem }: PemPart): X509Certificate {
  let first: X509Certificate | undefined;
  try {
    [first] = certificatesIn(pem);
  } catch (error) {
    const text = `What is in ${option} cannot be used: ${(error as Error).message}. Give the file whole.`;
    throw new TlsError(text, { cause: error });
  }
  if (first !== undefined) return first;
  throw new TlsError(
    `There is no certificate in ${option}. Give one in PEM: it begins with -----BEGIN CERTIFICATE-----.`,
  );
}

function problemOf(
  { code, message }: Error & { code?: string },
  { cert, key }: Pick<PemParts, 'cert' | 'key'>,
): string {
  if (code === 'ERR_OSSL_X509_KEY_VALUES_MISMATCH' || code === 'ERR_OSSL_X509_KEY_TYPE_MISMATCH') {
    return `The key in ${key?.option} does not belong to the certificate in ${cert?.option}. Give the two that were made together.`;
  }
  if (key !== undefined && /PRIVATE KEY-----/.exec(key.pem) === null) {
    return `There is no key in ${key.option}. Give one in PEM: it begins with -----BEGIN PRIVATE KEY-----.`;
  }
  if (key?.pem.includes('ENCRYPTED') === true) {
    return `The key in ${key.option} is encrypted. Give it without a pass phrase, in a file that only the program's user can read.`;
  }
  return `The certificate in ${cert?.option} and the key in ${key?.option} cannot be used: ${message.trim()}.`;
}

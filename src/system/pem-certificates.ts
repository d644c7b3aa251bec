/**
 * All certificates in PEM: a chain, or the authorities of a bundle.
 *
 * OpenSSL reads line by line. It passes over what is no block, and stops in silence at the first
 * block that is broken: the authorities behind it would be none. So each block has to be whole.
 */
import { X509Certificate } from 'node:crypto';

const label = '(?:X509 |TRUSTED )?CERTIFICATE';
const lineBegins = String.raw`(?<![^\n])`;
const lineEnds = String.raw`(?=[^\S\n]*(?:\n|$))`;
const comment = String.raw`${lineBegins}[ \t]*#[^\n]*`;
const certificate = String.raw`${lineBegins}-----BEGIN (${label})-----${lineEnds}[^-]*\n-----END \1-----${lineEnds}`;
const base64 = String.raw`(?:[^\n:]+:[^\n]*\n)*[\w+/=\s]*`;
const other = String.raw`${lineBegins}-----BEGIN (?!${label}-)([^-\n]+)-----[^\S\n]*\n${base64}\n-----END \2-----${lineEnds}`;
// OpenSSL does not see one that begins within a line. Whoever wrote it meant it to count.
const broken = String.raw`(?:${lineBegins}-----BEGIN [^-\n]+|-----BEGIN ${label})-----`;
const each = new RegExp(`${comment}|${certificate}|${other}|(${broken})`, 'g');

/** Throws where one cannot be read: of a file that is being written, perhaps. */
export function certificatesIn(pem: string): readonly X509Certificate[] {
  const found: X509Certificate[] = [];
  for (const [text, whole, , begun] of withoutMarks(pem).matchAll(each)) {
    if (whole === undefined && begun === undefined) continue;
    try {
      found.push(new X509Certificate(begun === undefined ? text : ''));
    } catch (error) {
      const what = text.includes('CERTIFICATE-') ? 'certificate' : 'what stands before certificate';
      const why = `${what} ${found.length + 1} in it is incomplete, or broken`;
      throw new Error(why, { cause: error });
    }
  }
  return found;
}

/**
 * Without byte order marks, each read as UTF-8 or as Latin 1. OpenSSL passes over some of them, and
 * with others over the certificate.
 */
export function withoutMarks(pem: string): string {
  return pem.replace(/^(?:\uFEFF|\u00EF\u00BB\u00BF)/gm, '');
}

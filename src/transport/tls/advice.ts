/** What to do where TLS could not be agreed on, or was not spoken at all. */

interface Failure {
  readonly code?: string | undefined;
  readonly message: string;
}

/** Null: the message says enough by itself. */
export function tlsAdvice({ code = '', message }: Failure, url: string): string | null {
  const { protocol, host } = new URL(url);
  if (protocol !== 'wss:') {
    return code === 'ECONNRESET'
      ? `${host} ended the connection without an answer (${message}). If it speaks TLS, dial wss://${host}, and give its authority as tls.ca (--tls-ca).`
      : null;
  }
  const advice = adviceByCode[code];
  if (advice !== undefined) return `The certificate of ${host} ${advice} (${code}).`;
  if (/wrong version number|packet length too long|record layer/.test(message)) {
    return `${host} speaks no TLS. Start it with --tls-cert and --tls-key, or dial ws://${host} and leave out tls (--tls-ca).`;
  }
  if (/alert/.test(message)) {
    return `${host} refused TLS (${opensslReason(message)}). Compare its --tls-cert and --tls-client-ca with tls.ca and tls.cert (--tls-ca, --tls-cert) here.`;
  }
  return null;
}

const unknownAuthority =
  'is signed by none of the authorities that are trusted here. Give the one that signed it as tls.ca (--tls-ca)';

const adviceByCode: Readonly<Record<string, string>> = {
  SELF_SIGNED_CERT_IN_CHAIN: unknownAuthority,
  DEPTH_ZERO_SELF_SIGNED_CERT: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unknownAuthority,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: unknownAuthority,
  CERT_SIGNATURE_FAILURE: unknownAuthority,
  CERT_HAS_EXPIRED:
    'has expired. Put a new one in place of the files of its --tls-cert and --tls-key: it takes it up by itself',
  CERT_NOT_YET_VALID: 'is not valid yet. Compare the clocks of the two machines',
  INVALID_PURPOSE:
    'is not for servers. Its extendedKeyUsage must have serverAuth; give the node such a one (--tls-cert)',
};

/** Without the place in OpenSSL's source. */
function opensslReason(message: string): string {
  return message.split(':')[5] ?? message.trim();
}

/** Checks an SDK's `tls`. */
import { checkFields, type Fields, shown } from '../core/fields.ts';
import type { TlsOptions } from '../ports/tls.ts';

const tlsFields: Fields<TlsOptions> = {
  ca: 'any',
  cert: 'any',
  key: 'any',
  serverName: 'text',
  nodeNames: 'any',
};

/** Throws a TypeError that says what is wanted. Files are read when a node is dialled. */
export function checkTls(tls: TlsOptions | undefined): void {
  if (tls === undefined) return;
  for (const name of ['rejectUnauthorized', 'checkServerIdentity']) {
    if (typeof tls === 'object' && tls !== null && name in tls) {
      throw new TypeError(
        `There is no ${name} in tls: nodes are always verified. Give who signs their certificates as ca, and the name in them as serverName where it is not their address.`,
      );
    }
  }
  checkFields(tls, tlsFields, 'tls');
  for (const name of ['ca', 'cert', 'key'] as const) checkPem(name, tls[name]);
  if ((tls.cert === undefined) !== (tls.key === undefined)) {
    throw new TypeError('tls.cert and tls.key belong together: give both.');
  }
  const { serverName, nodeNames } = tls;
  if (serverName !== undefined && !isHost(serverName)) {
    throw new TypeError(`tls.serverName must be a host, not ${shown(serverName)}.`);
  }
  if (nodeNames === undefined) return;
  if (!Array.isArray(nodeNames) || nodeNames.length === 0 || !nodeNames.every(isNodeName)) {
    throw new TypeError(
      "tls.nodeNames must be a list of hosts (a.example), of patterns for one label (*.example), or of URIs (spiffe://example/verdict/*), such as ['*.example'].",
    );
  }
}

function checkPem(name: string, given: unknown): void {
  if (given === undefined || given instanceof Uint8Array) return;
  if (typeof given === 'string' && given.includes('-----BEGIN ')) return;
  if (typeof given === 'object' && given !== null && 'file' in given) {
    checkFields(given, { file: 'text' }, `tls.${name}`);
    return;
  }
  const wanted = `tls.${name} must be PEM, as text or a Buffer, or { file: '${name}.pem' }`;
  throw new TypeError(
    typeof given === 'string'
      ? `${wanted}; this text is no PEM.`
      : `${wanted}, not ${shown(given)}.`,
  );
}

function isNodeName(name: unknown): boolean {
  if (typeof name !== 'string') return false;
  if (name.includes('://')) return /^[\x21-\x29\x2b-\x7e]+\*?$/.test(name);
  return isHost(name.replace(/^\*\./, ''));
}

/** Or an address. */
function isHost(text: string): boolean {
  return (
    /^[0-9a-z_-]+(?:\.[0-9a-z_-]+)*\.?$/i.test(text) || /^[0-9a-f:.]*:[0-9a-f:.]+$/i.test(text)
  );
}

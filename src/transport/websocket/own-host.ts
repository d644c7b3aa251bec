/**
 * Whether a request's `Host` is a name of this node. A page can point its own name at this machine
 * (DNS rebinding), and is then of one origin with the node: so only names count that no one else
 * can have pointed here. Those are addresses, localhost, and what the node was told.
 */
import { isIP } from 'node:net';

/** `names`: hosts without a port; `*.example` stands for any one label before it. */
export function isOwnHost(host: string | undefined, names: readonly string[]): boolean {
  const name = hostNameIn(host);
  if (name === null) return false;
  if (name === 'localhost' || isIP(name) !== 0) return true;
  return names.some((own) => fits(name, own.toLowerCase()));
}

function fits(name: string, own: string): boolean {
  if (!own.startsWith('*.')) return name === own;
  const label = name.slice(0, -own.length + 1);
  return name.endsWith(own.slice(1)) && label !== '' && !label.includes('.');
}

/** Null where it is no host, or holds more than that. */
function hostNameIn(host: string | undefined): string | null {
  if (host === undefined || !/^[\w.:[\]-]+$/.test(host) || !URL.canParse(`http://${host}`)) {
    return null;
  }
  return new URL(`http://${host}`).hostname.replace(/^\[|\]$/g, '');
}

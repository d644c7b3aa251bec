/** Hosts as a certificate names them: DNS names, and IP addresses as bytes. */
import { isIP, isIPv4 } from 'node:net';

const label = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i;

/** In the one form that is compared, or null where no peer could dial it. */
export function hostForm(text: string): string | null {
  if (isIPv4(text)) return text;
  if (isIP(text) === 6) return text.includes('%') ? null : sixForm(text);
  const labels = text.split('.');
  const last = labels.at(-1) ?? '';
  // An address with a slip of the pen, such as 10.0.0.256, is no name.
  if (text.length > 253 || /^[0-9]+$/.test(last)) return null;
  return labels.every((each) => label.test(each)) ? text.toLowerCase() : null;
}

/** Four bytes or sixteen, in the order of the network. */
export function addressBytes(address: string): Uint8Array<ArrayBuffer> {
  if (isIPv4(address)) return Uint8Array.from(address.split('.').map(Number));
  const [head = '', tail] = sixForm(address).split('::');
  const front = groups(head);
  const back = groups(tail ?? '');
  const gap = Array<number>(tail === undefined ? 0 : 8 - front.length - back.length).fill(0);
  return Uint8Array.from([...front, ...gap, ...back].flatMap((group) => [group >> 8, group & 255]));
}

/** The shortest form, in which the last groups are never written as IPv4. */
function sixForm(address: string): string {
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}

function groups(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
}

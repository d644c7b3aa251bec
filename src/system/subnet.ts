/** Addresses and subnets, as people write them. */
import { isIP } from 'node:net';

export interface Subnet {
  readonly address: string;
  readonly bits: number;
  readonly family: 'ipv4' | 'ipv6';
}

/** `10.0.0.7`, `10.0.0.0/8`, `fd00::/16`; null where it is neither an address nor a subnet. */
export function subnetIn(text: string): Subnet | null {
  const [address = '', bits, more] = text.split('/');
  const version = isIP(address);
  const most = version === 6 ? 128 : 32;
  const length = bits === undefined ? most : Number(bits);
  const isRight = version !== 0 && /^\d+$/.test(bits ?? '0') && length <= most;
  if (!isRight || more !== undefined) return null;
  return { address, bits: length, family: version === 6 ? 'ipv6' : 'ipv4' };
}

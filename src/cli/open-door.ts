/** A node that other machines can reach needs a token, or an explicit --insecure. */
import { isIPv4 } from 'node:net';
import { Option } from 'commander';
import { usageError } from './command-error.ts';

export function insecureOption(): Option {
  return new Option(
    '--insecure',
    'let other machines in without a token: any peer that reaches the port may do everything',
  );
}

export function refuseOpenDoor(host: string, token: string | null, insecure = false): void {
  if (token !== null || insecure || isLoopback(host)) return;
  throw usageError(
    `On ${host} other machines could reach this node, and without a token any of them may do everything. Give a --token-file, listen on 127.0.0.1, or add --insecure on a network that you trust.`,
  );
}

function isLoopback(host: string): boolean {
  const plain = host.toLowerCase().replace(/^::ffff:/, '');
  return plain === 'localhost' || plain === '::1' || (isIPv4(plain) && plain.startsWith('127.'));
}

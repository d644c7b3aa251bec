/** TLS of a command that dials, its files read once before any address is tried. */
import { thrownText } from '../core/thrown.ts';
import type { TlsOptions } from '../ports/tls.ts';
import { SecretFileError } from '../system/secret-file.ts';
import { DialCredentials } from '../transport/tls/dial.ts';
import { CommandError } from './command-error.ts';
import { dialTls, type TlsFlags } from './tls-options.ts';

/** Throws for files that cannot be read or used: no node can be at fault for them. */
export function usableTls(flags: TlsFlags, urls: readonly string[]): TlsOptions | undefined {
  const tls = dialTls(flags, urls);
  if (tls === undefined) return;
  try {
    new DialCredentials(tls).check();
  } catch (error) {
    if (error instanceof SecretFileError) throw error;
    throw new CommandError('INPUT', thrownText(error), { cause: error });
  }
  return tls;
}

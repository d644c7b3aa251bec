/** The client SDK, connected for a command. */
import { type Client, connect } from '../client/client.ts';
import { isVerdictError } from '../peer/verdict-error.ts';
import type { TlsOptions } from '../ports/tls.ts';
import type { DialCredential } from './credential.ts';
import { unreachable } from './unreachable.ts';

export async function connectClient(
  urls: readonly string[],
  given: { readonly credential: DialCredential; readonly tls: TlsOptions | undefined },
  timeoutMs: number,
): Promise<Client> {
  const { credential, tls } = given;
  try {
    return await connect({
      urls,
      name: 'verdict-cli',
      timeoutMs,
      ...credential,
      ...(tls === undefined ? {} : { tls }),
    });
  } catch (error) {
    if (!isVerdictError(error) || error.code !== 'TIMEOUT') throw error;
    const [, url, reason] = /The last failure: (\S+): (.+)$/s.exec(error.message) ?? [];
    const why = new Map(url === undefined || reason === undefined ? [] : [[url, reason]]);
    throw unreachable(urls, why, { timeoutMs, tls: tls !== undefined, cause: error });
  }
}

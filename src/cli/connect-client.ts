/** The client SDK, connected for a command. */
import { type Client, connect } from '../client/client.ts';
import { isVerdictError } from '../peer/verdict-error.ts';
import { unreachable } from './unreachable.ts';

export async function connectClient(
  urls: readonly string[],
  token: string | null,
  timeoutMs: number,
): Promise<Client> {
  try {
    return await connect({
      urls,
      name: 'verdict-cli',
      timeoutMs,
      ...(token === null ? {} : { token }),
    });
  } catch (error) {
    if (!isVerdictError(error) || error.code !== 'TIMEOUT') throw error;
    throw unreachable(urls, new Map(), { cause: error });
  }
}

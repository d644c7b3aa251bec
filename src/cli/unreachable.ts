/** What to say where no coordinator answers. */
import { nodeUrl } from '../peer/url.ts';
import { CommandError } from './command-error.ts';
import { durationText, harmless } from './text.ts';

/**
 * `urls` as given; `why`: by the address dialled, as far as known. What has not failed by then has
 * kept silent.
 */
export function unreachable(
  urls: readonly string[],
  why: ReadonlyMap<string, string>,
  given: { readonly timeoutMs: number; readonly tls: boolean; readonly cause?: unknown },
): CommandError {
  const { timeoutMs, tls, cause } = given;
  const tried = urls.map((url) => {
    const reason = why.get(nodeUrl(url, tls)) ?? `no answer within ${durationText(timeoutMs)}`;
    return `${url} (${harmless(reason)})`;
  });
  const where = urls.length === 1 ? 'at' : 'at any of';
  return new CommandError(
    'UNREACHABLE',
    `No coordinator answers ${where} ${tried.join(', ')}. Is \`npx verdict serve\` running? Name another with --url.`,
    { cause },
  );
}

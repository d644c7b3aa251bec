/** Connections that break on and on, at any message, by seeded chance. */
import type { Random } from '../../../src/ports/random.ts';
import { pause } from '../process/child.ts';
import type { TcpProxy } from './tcp-proxy.ts';

/**
 * Now and then one of the proxies breaks, some messages on: cut, with the message or before it, or
 * deaf for the replies. Resolves with how often it did.
 */
export async function breakOnAndOn(
  proxies: readonly TcpProxy[],
  random: Random,
  isOver: () => boolean,
  { withinMessages = 25 }: { readonly withinMessages?: number } = {},
): Promise<number> {
  let count = 0;
  while (!isOver()) {
    const proxy = proxies[Math.floor(random.fraction() * proxies.length)];
    if (proxy === undefined) break;
    let left = 1 + Math.floor(random.fraction() * withinMessages);
    const isHeard = random.fraction() < 0.5;
    proxy.rule = () => {
      left -= 1;
      if (left > 0) return 'pass';
      count += 1;
      if (!isHeard) return 'lose-replies';
      setImmediate(() => proxy.cut());
      return random.fraction() < 0.5 ? 'hold' : 'pass';
    };
    await pause(20 + random.fraction() * 80);
    proxy.rule = null;
    if (!isHeard) proxy.cutDeaf();
    await pause(random.fraction() * 40);
  }
  return count;
}

export function portOf({ url }: TcpProxy): number {
  return Number(url.split(':')[1]);
}

/**
 * The name of what is a client's own, a request id or a lock group: in log, memory and shard.
 *
 * Two services that number their orders alike must not meet: one would get the other's results, or
 * find its id used. Names and ids hold no control character: different pairs are different texts.
 */
const between = '\n';

export function scoped(client: string, name: string): string {
  return `${client}${between}${name}`;
}

/** Whose it is; undefined for what is no one's own. */
export function scopeOf(text: string): string | undefined {
  const at = text.indexOf(between);
  return at < 0 ? undefined : text.slice(0, at);
}

/** As the client itself called it. */
export function unscoped(text: string): string {
  return text.slice(text.indexOf(between) + 1);
}

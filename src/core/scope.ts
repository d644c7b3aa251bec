/**
 * The name of what is a client's own, a request id or a lock group: in the log, in a leader's memory, and for its shard.
 *
 * Two services that number their orders alike must not meet: one would be given the other's results, or find its id used. A client's
 * name and an id hold no control character, so that different pairs are different texts.
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

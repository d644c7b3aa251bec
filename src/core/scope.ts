/**
 * The name of what is a client's own, such as a request id: in the log, in a leader's memory, and for its shard.
 *
 * Two services that number their orders alike must not meet: one would be given the other's results, or find its id used. A client's
 * name and an id hold no control character, so that different pairs are different texts.
 */
const between = '\n';

export function scoped(client: string, name: string): string {
  return `${client}${between}${name}`;
}

/** As the client itself called it. */
export function unscoped(text: string): string {
  return text.slice(text.indexOf(between) + 1);
}

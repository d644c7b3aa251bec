/** How a participant whose journal serves another cluster closes: the node's log tells it, too. */
const prefix = 'other cluster: ';

export const otherClusterCloseCode = 1008;

export function otherClusterReason(served: string): string {
  return `${prefix}${served}`;
}

/** The id of the cluster that is served; null where the connection ended for another reason. */
export function servedElsewhere(close: {
  readonly code: number;
  readonly reason: string;
}): string | null {
  const { code, reason } = close;
  if (code !== otherClusterCloseCode || !reason.startsWith(prefix)) return null;
  return reason.slice(prefix.length);
}

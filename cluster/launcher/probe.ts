/** Is a process ready, by its own word. */

/** A process that does not answer at all must not hold up the wait. */
const probeTimeoutMs = 1_000;

/** A node: `/readyz`. */
export function nodeIsReady(address: string): Promise<true | string> {
  return probe(`http://${address}/readyz`, async (response) => {
    await response.body?.cancel();
    return response.ok ? true : `it answers ${response.status}`;
  });
}

/** A member of etcd: it sees a leader. */
export function etcdIsReady(endpoint: string): Promise<true | string> {
  return probe(`${endpoint}/health`, async (response) => {
    const { health } = (await response.json()) as { readonly health?: string };
    return health === 'true' ? true : 'it is not healthy yet';
  });
}

async function probe(
  url: string,
  judge: (response: Response) => Promise<true | string>,
): Promise<true | string> {
  try {
    return await judge(await fetch(url, { signal: AbortSignal.timeout(probeTimeoutMs) }));
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

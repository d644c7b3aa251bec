/**
 * The ports of a cluster. They are kept beside its data: members of etcd remember under which
 * address they know each other, so a cluster comes back on the ports that it began with.
 */
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';

export interface ClusterPorts {
  /** One for each member of etcd. */
  readonly etcd: readonly { readonly client: number; readonly peer: number }[];
  readonly nodes: readonly number[];
}

export interface WantedPorts {
  readonly etcd?: readonly number[] | undefined;
  readonly nodes?: readonly number[] | undefined;
}

const fileName = 'ports.json';

/** Throws where one of them is taken. */
export async function clusterPorts(
  directory: string,
  size: { readonly members: number; readonly nodes: number },
  wanted: WantedPorts = {},
): Promise<ClusterPorts> {
  const file = join(directory, fileName);
  const kept = await keptPorts(file);
  const free = await freePorts(2 * size.members + size.nodes);
  const next = (): number => free.pop() ?? 0;
  const fill = (count: number, ...given: (readonly number[] | undefined)[]): number[] =>
    Array.from({ length: count }, (_, index) => {
      return given.find((ports) => ports?.[index] !== undefined)?.[index] ?? next();
    });
  const peers = fill(
    size.members,
    kept?.etcd.map(({ peer }) => peer),
  );
  const clients = fill(
    size.members,
    wanted.etcd,
    kept?.etcd.map(({ client }) => client),
  );
  const ports: ClusterPorts = {
    etcd: clients.map((client, index) => ({ client, peer: peers[index] ?? 0 })),
    nodes: fill(size.nodes, wanted.nodes, kept?.nodes),
  };
  for (const port of [...clients, ...peers, ...ports.nodes]) await assertFree(port);
  await writeFile(file, `${JSON.stringify(ports)}\n`);
  return ports;
}

async function keptPorts(file: string): Promise<ClusterPorts | null> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as ClusterPorts;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

async function assertFree(port: number): Promise<void> {
  try {
    await hold(port, async () => undefined);
  } catch (error) {
    throw new Error(
      `Port ${port} of 127.0.0.1 is taken. End what listens there, perhaps this cluster itself, or name other ports.`,
      { cause: error },
    );
  }
}

/** Ports that are free now, for processes that must come back on them. */
export async function freePorts(count: number): Promise<number[]> {
  if (count === 0) return [];
  // Held together, so that no two of them are the same one.
  return hold(0, async (port) => [port, ...(await freePorts(count - 1))]);
}

async function hold<T>(port: number, body: (port: number) => Promise<T>): Promise<T> {
  const server = createServer();
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  try {
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('No port was given.');
    return await body(address.port);
  } finally {
    server.close();
    await once(server, 'close');
  }
}

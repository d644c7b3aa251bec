/**
 * The ports of a cluster. They are kept beside its data: members of etcd remember under which
 * address they know each other, so a cluster comes back on the ports that it began with.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePorts, isFree } from './free-ports.ts';

export interface ClusterPorts {
  /** One for each member of etcd. */
  readonly etcd: readonly { readonly client: number; readonly peer: number }[];
  readonly nodes: readonly number[];
}

export interface WantedPorts {
  readonly etcd?: readonly number[] | undefined;
  readonly nodes?: readonly number[] | undefined;
  /** Taken where they are free, unless others are wanted or were kept. Default: any free ones. */
  readonly usual?: typeof usualPorts | undefined;
}

/**
 * Where a cluster listens that was told nothing: what a person types again without looking, above
 * all the address that every command and snippet has by default.
 */
export const usualPorts: { readonly etcd: readonly number[]; readonly nodes: readonly number[] } = {
  etcd: [12_379, 22_379, 32_379],
  nodes: [7_070, 7_071, 7_072],
};

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
  const usual = async (ports: readonly number[] = []): Promise<(number | undefined)[]> =>
    Promise.all(ports.map(async (port) => ((await isFree(port)) ? port : undefined)));
  const fill = (
    count: number,
    ...given: (readonly (number | undefined)[] | undefined)[]
  ): number[] =>
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
    await usual(wanted.usual?.etcd),
  );
  const ports: ClusterPorts = {
    etcd: clients.map((client, index) => ({ client, peer: peers[index] ?? 0 })),
    nodes: fill(size.nodes, wanted.nodes, kept?.nodes, await usual(wanted.usual?.nodes)),
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
  if (await isFree(port)) return;
  throw new Error(
    `Port ${port} of 127.0.0.1 is taken. End what listens there, perhaps this cluster itself, or name other ports.`,
  );
}

/**
 * Finds an etcd to run: the one that VERDICT_ETCD_BIN names, else the one on PATH, else Debian's
 * package unpacked into a cache of the clone.
 */
import { delimiter, dirname, join, resolve } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { isProgram, unpackDebian } from '../debian/unpack.ts';

export interface EtcdPrograms {
  readonly etcd: string;
  /** For snapshots. Null where there is none beside etcd or on PATH. */
  readonly etcdctl: string | null;
}

export type FoundEtcd =
  | { readonly found: EtcdPrograms }
  /** What was tried, for a person. */
  | { readonly missing: string };

const cacheDefault: string = fileURLToPath(new URL('../../.cache/etcd', import.meta.url));

/** Where to look first; null: only where every machine looks. */
export async function findEtcd(
  named: string | null = process.env['VERDICT_ETCD_BIN'] || null,
): Promise<FoundEtcd> {
  if (named !== null) {
    const etcd = resolve(named);
    if (isProgram(etcd)) return { found: withControl(etcd) };
    return { missing: `VERDICT_ETCD_BIN names ${etcd}, which is no program.` };
  }
  const onPath = fromPath('etcd');
  if (onPath !== null) return { found: withControl(onPath) };
  const unpacked = join(cacheDefault, 'usr', 'bin', 'etcd');
  if (!isProgram(unpacked)) {
    const problem = await unpackDebian({
      cache: cacheDefault,
      packages: ['etcd-server', 'etcd-client'],
      program: 'usr/bin/etcd',
    });
    if (problem !== null) {
      return {
        missing: `VERDICT_ETCD_BIN is not set, there is no etcd on PATH, and Debian's package could not be unpacked: ${problem}`,
      };
    }
  }
  return { found: withControl(unpacked) };
}

function withControl(etcd: string): EtcdPrograms {
  const beside = join(dirname(etcd), 'etcdctl');
  return { etcd, etcdctl: isProgram(beside) ? beside : fromPath('etcdctl') };
}

function fromPath(program: string): string | null {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders.map((folder) => join(folder, program)).find(isProgram) ?? null;
}

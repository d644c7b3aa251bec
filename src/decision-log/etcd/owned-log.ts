/**
 * A log in etcd beside a directory that belongs to this process alone until the log is closed: two
 * that write one file of what etcd has shown would each take the other's for its own.
 */
import type { DecisionLog } from '../../ports/decision-log.ts';
import { type DirectoryLock, lockDirectory } from '../../store/directory-lock.ts';
import { asLogError } from '../log-errors.ts';
import { type EtcdLogOptions, openEtcdLog } from './etcd-log.ts';

/** Rejects with DecisionLogError also where the directory has an owner, or cannot be used. */
export async function openOwnedEtcdLog(options: EtcdLogOptions): Promise<DecisionLog> {
  const { stateDirectory: directory, node, cluster, clock } = options;
  let lock: DirectoryLock | null = null;
  try {
    lock = lockDirectory({ directory, purpose: `node ${node} of the cluster ${cluster}`, clock });
    return await openEtcdLog({ ...options, closed: () => lock?.release() });
  } catch (error) {
    lock?.release();
    throw asLogError(error);
  }
}

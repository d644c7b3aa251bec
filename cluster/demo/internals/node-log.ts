/** The decision log of a single node, read from its file. */
import { readEmbeddedLog } from '../../../src/decision-log/embedded/read.ts';
import type { LoggedOutcomes } from '../../launcher/etcd-contents.ts';

/** Whether a node owns it or not. */
export async function readNodeLog(directory: string): Promise<LoggedOutcomes> {
  const log = await readEmbeddedLog(directory);
  if (log === null) throw new Error(`There is no decision log in ${directory}.`);
  return log;
}

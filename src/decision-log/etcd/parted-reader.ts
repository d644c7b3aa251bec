/**
 * Readers of several etcds as one: each question goes to the etcd of its shard, which is opened for
 * the first of them. So one that is down keeps no one from the others.
 */
import { shardOf, type Txid } from '../../core/txid.ts';
import { DecisionLogError } from '../../ports/decision-log.ts';
import type { EtcdPart } from './endpoints.ts';
import { mergedNodes } from './live-nodes.ts';
import type { EtcdReader } from './reader.ts';

export interface ReaderPart extends EtcdPart {
  open(): Promise<EtcdReader>;
}

/** Rejects where none can be read, or one is not the etcd of its shards. */
export async function openPartedReader(parts: readonly ReaderPart[]): Promise<EtcdReader> {
  const readers = new Map<number, Promise<EtcdReader>>();
  const indexOf = (txid: Txid): number => {
    const shard = shardOf(txid);
    const index = parts.findIndex(({ first, last }) => first <= shard && shard <= last);
    if (index >= 0) return index;
    throw new DecisionLogError(
      `There is no shard ${shard} in the given ranges. The txid is of another cluster, or wrong.`,
    );
  };
  const opened = (index: number): Promise<EtcdReader> => {
    const before = readers.get(index);
    if (before !== undefined) return before;
    const reader = (parts[index] as ReaderPart).open();
    readers.set(index, reader);
    // One that could not be opened is opened anew by the next question.
    reader.catch(() => readers.delete(index));
    return reader;
  };
  const close = async (): Promise<void> => {
    const all = [...readers.values()];
    readers.clear();
    await Promise.allSettled(all.map(async (reader) => (await reader).close()));
  };
  const all = await Promise.allSettled(parts.map((_, index) => opened(index)));
  const first = all.find((one) => one.status === 'fulfilled');
  const refused = all.find((one) => one.status === 'rejected' && !isSilence(one.reason));
  const failed = refused ?? (first === undefined ? all[0] : undefined);
  if (failed?.status === 'rejected') {
    await close();
    throw failed.reason;
  }
  if (first === undefined) throw new DecisionLogError('No etcd is given.');
  return {
    meta: first.value.meta,
    parts: {
      of: indexOf,
      forget: (txid) => {
        const index = indexOf(txid);
        const over = readers.get(index);
        readers.delete(index);
        over?.then((reader) => reader.close()).catch(() => undefined);
      },
    },
    isIssued: async (txid) => (await opened(indexOf(txid))).isIssued(txid),
    read: async (txid, asker) => (await opened(indexOf(txid))).read(txid, asker),
    resolve: async (txid, asker, shown) =>
      (await opened(indexOf(txid))).resolve(txid, asker, shown),
    liveNodes: async () => {
      const found = await Promise.all(
        [...parts.keys()].map(async (index) => (await opened(index)).liveNodes()),
      );
      return mergedNodes(found.flat());
    },
    raiseGeneration: async () => {
      let highest = 0;
      for (const index of parts.keys()) {
        highest = Math.max(highest, await (await opened(index)).raiseGeneration());
      }
      return highest;
    },
    close,
  };
}

/** What etcd did not answer has a cause; what the log itself refuses has none. */
function isSilence(error: unknown): boolean {
  return error instanceof Error && error.cause !== undefined;
}

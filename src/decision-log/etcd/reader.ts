/**
 * The log for a participant whose coordinators are all gone, and for an operator: no leadership.
 */
import type { Witness } from '../../core/messages.ts';
import type { Member } from '../../core/retired.ts';
import { shardOf, type Txid } from '../../core/txid.ts';
import { DecisionLogError, type LogMeta, type LogReading } from '../../ports/decision-log.ts';
import type { Random } from '../../ports/random.ts';
import { TxidSeal } from '../../system/txid-seal.ts';
import { assertShard } from '../log-errors.ts';
import type { EtcdAccess } from './client.ts';
import { withEndpoints } from './endpoints.ts';
import { raiseGeneration, readMeta } from './meta.ts';
import { assertPart, type WantedPart } from './part.ts';
import { openPartedReader } from './parted-reader.ts';
import { partsOf } from './parts.ts';
import { type Question, readDecision, resolveDecision } from './reading.ts';
import { assertSchemes } from './scheme.ts';
import { EtcdStore } from './store.ts';

export interface EtcdReaderOptions extends EtcdAccess {
  readonly cluster: string;
  readonly random: Random;
  /** Believed only where the log has this id; null: whichever it has. Default null. */
  readonly clusterId?: string | null;
}

export interface ReaderParts {
  of(txid: Txid): number;
  forget(txid: Txid): void;
}

export interface EtcdReader {
  readonly meta: LogMeta;
  /** Linearizable. */
  read(txid: Txid, asker?: Member): Promise<LogReading>;
  resolve(txid: Txid, asker?: Member, witness?: Witness): Promise<LogReading>;
  /** Where the shards are in several: the one of a transaction, which may be opened anew alone. */
  readonly parts?: ReaderParts;
  /** For an operator who has restored etcd, with all nodes stopped. Returns the new one. */
  raiseGeneration(): Promise<number>;
  close(): Promise<void>;
}

export async function openEtcdReader(given: EtcdReaderOptions): Promise<EtcdReader> {
  const parts = partsOf(given);
  if (parts === null) return openOne(withEndpoints(given));
  return openPartedReader(
    parts.map((part) => ({
      ...part,
      open: () => openOne({ ...given, endpoints: part.endpoints, part: part.part }),
    })),
  );
}

async function openOne(
  options: EtcdReaderOptions & { readonly part?: WantedPart },
): Promise<EtcdReader> {
  // A log that was set back rejects every call; there is no process to halt.
  const store = new EtcdStore(options);
  try {
    const [agreed] = await Promise.all([readMeta(store), assertSchemes(options)]);
    const { meta } = agreed;
    assertPart(store, meta);
    assertCluster(meta, options.clusterId);
    await store.begin(agreed);
    const question = (txid: Txid, asker: Member | undefined): Question => ({
      store,
      txid: known(meta, txid),
      assertMeta: (now) => assertCluster(now, meta.clusterId),
      ...(asker === undefined ? {} : { asker }),
    });
    return {
      meta,
      read: async (txid, asker) => (await readDecision(question(txid, asker))).reading,
      resolve: async (txid, asker, shown) =>
        resolveDecision({ ...question(txid, asker), atMs: options.clock.wallMs(), shown }),
      raiseGeneration: () => raiseGeneration(store),
      close: () => store.close(),
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** A log that was made anew proves nothing: it does not know what the one before committed. */
function assertCluster({ cluster, clusterId }: LogMeta, wanted: string | null | undefined): void {
  if (wanted === null || wanted === undefined || wanted === clusterId) return;
  throw new DecisionLogError(
    `The cluster ${cluster} in etcd has the id ${clusterId}, not ${wanted}: it is another one, or was made anew. Nothing that it says is used; see docs/OPERATING.md, "A recreated decision log".`,
  );
}

/** No one's decision is forced, or presumed, on an id that this cluster never gave out. */
function known(meta: LogMeta, txid: Txid): Txid {
  assertShard(meta, shardOf(txid));
  if (new TxidSeal(meta.txidSecret).isIssued(txid)) return txid;
  throw new DecisionLogError(
    `No leader of cluster ${meta.cluster} ever gave out ${txid}. It is of another cluster or of an etcd that was made anew, or it is mistyped.`,
  );
}

/**
 * The log for a participant whose coordinators are all gone, and for an operator: no leadership.
 *
 * Neither needs the secret that tells which txids were given out. A participant asks for those of
 * its journal, which come from nodes of the one cluster that it serves: so it reads the log of that
 * cluster's id or none (!). The log of another would find nothing, and presume the abort.
 */
import type { Witness } from '../../core/messages.ts';
import type { Member } from '../../core/retired.ts';
import { shardOf, type Txid } from '../../core/txid.ts';
import { DecisionLogError, type LogMeta, type LogReading } from '../../ports/decision-log.ts';
import type { Random } from '../../ports/random.ts';
import { assertShard } from '../log-errors.ts';
import type { EtcdAccess } from './client.ts';
import { type Clusters, clustersIn } from './clusters.ts';
import { withEndpoints } from './endpoints.ts';
import { type LiveNode, liveNodes } from './live-nodes.ts';
import { NoClusterError, raiseGeneration, readMeta } from './meta.ts';
import { assertPart, shardsIn, type WantedPart } from './part.ts';
import { openPartedReader } from './parted-reader.ts';
import { partsOf } from './parts.ts';
import { type Question, readDecision, resolveDecision } from './reading.ts';
import { assertSchemes } from './scheme.ts';
import { EtcdStore } from './store.ts';
import { TxidProof } from './txid-proof.ts';

export interface EtcdReaderOptions extends EtcdAccess {
  readonly cluster: string;
  readonly random: Random;
  /**
   * Believed only where the log has this id. Null: it is not known yet, and only txids that the log
   * itself proves are answered. Default null.
   */
  readonly clusterId?: string | null;
  /** For an operator, who may ask for any txid: proven where the secret may be read. */
  readonly operator?: boolean;
}

/** Without the secret, which is for nodes. */
export type ReaderMeta = Omit<LogMeta, 'txidSecret'>;

export interface ReaderParts {
  of(txid: Txid): number;
  forget(txid: Txid): void;
}

export interface EtcdReader {
  readonly meta: ReaderMeta;
  /** Whether a txid was given out; null: this account cannot tell. */
  isIssued(txid: Txid): Promise<boolean | null>;
  /** Linearizable. */
  read(txid: Txid, asker?: Member): Promise<LogReading>;
  resolve(txid: Txid, asker?: Member, witness?: Witness): Promise<LogReading>;
  /** Where the shards are in several: the one of a transaction, which may be opened anew alone. */
  readonly parts?: ReaderParts;
  /** Nodes that certainly run. Takes as long as a lease where keys of others are left. */
  liveNodes(): Promise<readonly LiveNode[]>;
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
    const proof = new TxidProof(store, meta, options);
    const question = async (txid: Txid, asker: Member | undefined): Promise<Question> => {
      assertShard(meta, shardOf(txid));
      await proof.assertMayAsk(txid);
      return {
        store,
        txid,
        assertMeta: (now) => assertCluster(now, meta.clusterId),
        ...(asker === undefined ? {} : { asker }),
      };
    };
    const { txidSecret: _, ...shown } = meta;
    return {
      meta: shown,
      isIssued: (txid) => proof.isIssued(txid),
      read: async (txid, asker) => (await readDecision(await question(txid, asker))).reading,
      resolve: async (txid, asker, shown) =>
        resolveDecision({ ...(await question(txid, asker)), atMs: options.clock.wallMs(), shown }),
      liveNodes: () => liveNodes(store, shardsIn(meta)),
      raiseGeneration: () => raiseGeneration(store),
      close: () => store.close(),
    };
  } catch (error) {
    const told = options.operator === true ? await withOthers(error, store, options) : error;
    await store.close();
    throw told;
  }
}

const maxNamed = 10;

function listed({ names, truncated }: Clusters): string {
  return `${names.join(', ')}${truncated ? ' and others' : ''}`;
}

/** Who has mistyped the name of a cluster is told which there are, where the account may look. */
async function withOthers(
  error: unknown,
  { clients }: EtcdStore,
  { cluster, endpoints }: EtcdReaderOptions,
): Promise<unknown> {
  if (!(error instanceof NoClusterError)) return error;
  const range: Parameters<typeof clustersIn>[0] = (request) =>
    clients.kv.call((client) => client.kv.range(request));
  const others = await clustersIn(range, maxNamed).catch(() => null);
  // Its own name without its meta: that was deleted.
  if (others === null || others.names.length === 0 || others.names.includes(cluster)) return error;
  const text = `There is no cluster ${cluster} in etcd at ${endpoints.join(', ')}: it has ${listed(others)}. Compare the name of the cluster and the endpoints.`;
  return new NoClusterError(text, { cause: error });
}

/** A log that was made anew proves nothing: it does not know what the one before committed. */
function assertCluster(
  { cluster, clusterId }: ReaderMeta,
  wanted: string | null | undefined,
): void {
  if (wanted === null || wanted === undefined || wanted === clusterId) return;
  throw new DecisionLogError(
    `The cluster ${cluster} in etcd has the id ${clusterId}, not ${wanted}: it is another one, or was made anew. Nothing that it says is used; see docs/OPERATING.md, "A recreated decision log".`,
  );
}

/** The decision log of a cluster of nodes, kept in etcd: docs/PROTOCOL.md, sections 4 to 6. */
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import type { Claim } from '../../core/claims.ts';
import { LogFigures } from '../../core/log-figures.ts';
import type { LeaderInfo, Witness } from '../../core/messages.ts';
import type { Member, Retired } from '../../core/retired.ts';
import { shardOf, type Txid } from '../../core/txid.ts';
import {
  type CampaignOptions,
  type DecisionLog,
  DecisionLogError,
  type Leadership,
  type LeaseAge,
  type LogMeta,
  type LogReading,
} from '../../ports/decision-log.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Random } from '../../ports/random.ts';
import type { DurableFiles } from '../../store/durable-file.ts';
import { LeaderBoard, LogOnBoards, NodeBoard, ReboundBoard, RetiredBoard } from '../boards.ts';
import { assertShard } from '../log-errors.ts';
import { PartedLog } from '../parted/parted-log.ts';
import type { WantedMeta } from '../state.ts';
import { minLeaseTtlMs, usualLeaseTtlMs } from '../usual.ts';
import { agreeOnParts } from './agree-on-parts.ts';
import { type AccessPrint, Alike } from './alike.ts';
import { Bindings } from './bindings.ts';
import { Campaigns } from './campaigns.ts';
import type { EtcdAccess } from './client.ts';
import { Compaction } from './compaction.ts';
import { assertShards, withEndpoints } from './endpoints.ts';
import { Enrollment } from './enrollment.ts';
import { deleteLeaderKey, type ObservedLeader } from './leader-key.ts';
import { type ClusterReading, Leaders } from './leaders.ts';
import { EtcdLeadership } from './leadership.ts';
import { NodeLease } from './lease.ts';
import { type AgreedMeta, agreeOnMeta, metaOf } from './meta.ts';
import { assertPart, rangeOf } from './part.ts';
import { type PartAccess, partsOf } from './parts.ts';
import { assertNotSetBack } from './quarantine.ts';
import { type Question, readDecision, resolveDecision } from './reading.ts';
import { decodeNode } from './records.ts';
import type { KeyValue } from './requests.ts';
import { Retirements } from './retirements.ts';
import { assertSchemes } from './scheme.ts';
import { assertSecretIs } from './secret.ts';
import { EtcdStore } from './store.ts';

export interface EtcdLogOptions extends EtcdAccess, WantedMeta {
  readonly cluster: string;
  /** This node's name: one process at a time may have it. */
  readonly node: string;
  /** Where this node is reached by its peers. */
  readonly url: string;
  /** How long a vanished leader keeps others out. Whole seconds, at least 2. Default 3,000. */
  readonly leaseTtlMs?: number;
  /** Kept from one start of this node to the next: it guards against a restored etcd. */
  readonly stateDirectory: string;
  /** Default: the machine's. */
  readonly files?: DurableFiles;
  readonly random: Random;
  readonly logger?: Logger;
  /**
   * Called once when etcd shows less than it did before: the node must end, loudly. Default: says
   * why on stderr and ends the process with 70.
   */
  readonly onFatal?: (error: DecisionLogError) => void;
  /** Compact etcd's history: only for an etcd that no one else uses. Default: no. */
  readonly compact?: boolean;
  readonly closed?: () => void;
  /** By which rules this node lets peers in: the others are told, and compared with it. */
  readonly access?: () => AccessPrint;
  readonly figures?: LogFigures;
}

type OpenedOptions = EtcdLogOptions & { readonly leaseTtlMs: number };

const witnessFile = 'etcd-witness.json';
const releaseAttempts = 3;
const releasePauseMs = 50;
/** EX_SOFTWARE of sysexits.h. */
const fatalExitCode = 70;

/** Rejects with DecisionLogError where etcd is unreachable, was set back, or has other data. */
export async function openEtcdLog(given: EtcdLogOptions): Promise<DecisionLog> {
  const { leaseTtlMs = usualLeaseTtlMs } = given;
  if (!(leaseTtlMs >= minLeaseTtlMs)) {
    throw new DecisionLogError(
      `The lease's TTL must be at least ${minLeaseTtlMs} ms; etcd grants no shorter one. ${leaseTtlMs} was asked for.`,
    );
  }
  const parts = partsOf(given);
  if (parts !== null) return openParts({ ...given, leaseTtlMs }, parts);
  const options = { ...withEndpoints(given), leaseTtlMs };
  const store = storeOf(options, witnessFile);
  return closedOnFailure([store], async () => {
    const [agreed] = await Promise.all([agreeOnMeta(store, options), assertSchemes(options)]);
    return opened(options, store, agreed);
  });
}

/** Ranges of shards on several etcds. Every one of them must be reachable. */
async function openParts(given: OpenedOptions, parts: readonly PartAccess[]): Promise<DecisionLog> {
  assertShards(given.shards, parts);
  const { closed, ...others } = given;
  const options = { ...others, figures: new LogFigures() };
  const places = parts.map(({ endpoints, part, first, last }) => {
    const own = { ...options, endpoints, part };
    return { own, part, first, last, store: storeOf(own, `etcd-witness-${first}-${last}.json`) };
  });
  const stores = places.map(({ store }) => store);
  return closedOnFailure(stores, async () => {
    const [agreed] = await Promise.all([
      agreeOnParts(places, options),
      ...places.map(({ own }) => assertSchemes(own)),
    ]);
    const logs = await Promise.allSettled(
      places.map(({ own, store }, at) => opened(own, store, agreed[at] as AgreedMeta)),
    );
    const failed = logs.find((log) => log.status === 'rejected');
    const ranges = places.flatMap(({ first, last, own }, at) => {
      const log = logs[at];
      const place = `etcd at ${own.endpoints.join(', ')}`;
      return log?.status === 'fulfilled' ? [{ first, last, place, log: log.value }] : [];
    });
    if (failed !== undefined) {
      await Promise.allSettled(ranges.map(({ log }) => log.close()));
      throw failed.reason;
    }
    return new PartedLog(ranges, closed);
  });
}

function storeOf(options: EtcdLogOptions, file: string): EtcdStore {
  const witnessPath = join(options.stateDirectory, file);
  return new EtcdStore({ onFatal: exitOnFatal, ...options, witnessPath });
}

async function closedOnFailure<T>(
  stores: readonly EtcdStore[],
  body: () => Promise<T>,
): Promise<T> {
  try {
    return await body();
  } catch (error) {
    await Promise.all(stores.map((store) => store.close()));
    throw error;
  }
}

async function opened(
  options: OpenedOptions,
  store: EtcdStore,
  agreed: AgreedMeta,
): Promise<DecisionLog> {
  await store.begin(agreed);
  const log = new EtcdLog(options, store, agreed);
  try {
    await log.start();
    return log;
  } catch (error) {
    await log.close();
    throw error;
  }
}

class EtcdLog extends LogOnBoards implements DecisionLog {
  readonly #options: EtcdLogOptions;
  readonly #store: EtcdStore;
  readonly #lease: NodeLease;
  readonly #retirements: Retirements;
  readonly #bindings: Bindings;
  readonly #enrollment: Enrollment;
  readonly #leaders: Leaders;
  readonly #campaigns: Campaigns;
  readonly #compaction: Compaction;
  readonly #alike: Alike;
  /** The shards that are in this etcd. */
  readonly #own: readonly number[];
  readonly #leaderships = new Map<number, EtcdLeadership>();
  #agreed: AgreedMeta;
  #closed: Promise<void> | null = null;

  constructor(options: OpenedOptions, store: EtcdStore, agreed: AgreedMeta) {
    const { shards } = agreed.meta;
    super({
      board: new LeaderBoard(shards),
      nodes: new NodeBoard(),
      retired: new RetiredBoard(),
      rebound: new ReboundBoard(),
    });
    const { node, url, leaseTtlMs } = options;
    const access = (): AccessPrint | undefined => options.access?.();
    this.#alike = new Alike({ node, own: access, clock: store.clock, logger: store.logger });
    this.#options = options;
    this.#store = store;
    this.#agreed = agreed;
    this.#lease = new NodeLease({
      store,
      ttlMs: leaseTtlMs,
      lapsed: (reason) => this.#lapsed(reason),
      renewed: () => void this.#enrollment.enter(),
    });
    this.#retirements = new Retirements({
      store,
      board: this.retiredBoard,
      rebound: this.reboundBoard,
      leaseTtlMs,
      heard: () => void this.#enrollment.enter(),
    });
    this.#bindings = new Bindings({
      store,
      board: this.reboundBoard,
      heardByAll: (revision) => this.#retirements.heardByAll(revision),
    });
    this.#enrollment = new Enrollment({
      store,
      node,
      url,
      lease: this.#lease,
      heardTo: () => this.#retirements.heardTo,
      access,
    });
    const own = store.part === null ? { first: 0, last: shards - 1 } : rangeOf(store.part);
    this.#own = Array.from({ length: own.last - own.first + 1 }, (_, at) => own.first + at);
    this.#leaders = new Leaders({
      store,
      shards: this.#own,
      leaseTtlMs,
      board: this.leaderBoard,
      nodes: this.nodeBoard,
      read: (seen) => this.#wasRead(seen),
      changed: (shard) => this.#leaderChanged(shard),
    });
    this.#campaigns = new Campaigns({
      ...options,
      store,
      lease: this.#lease,
      leaders: this.#leaders,
      evidence: this.evidence,
      meta: () => this.#agreed,
      metaSeen: (meta, revision) => this.#metaSeen(meta, revision),
      leading: (shard) => this.#leaderships.get(shard),
      adopt: (held) => this.#adopt(held),
    });
    this.#compaction = new Compaction(store, () => this.#leaderships.has(own.first));
  }

  async start(): Promise<void> {
    await this.#lease.start();
    await this.#enrollment.enter();
    await this.#leaders.start();
    // After its entry is there: whoever retires something from now on waits for it.
    await this.#retirements.learn();
    if (this.#options.compact === true) this.#compaction.start();
  }

  get meta(): LogMeta {
    const { meta, txidSecret } = this.#agreed;
    return { ...meta, txidSecret };
  }

  get figures(): LogFigures {
    return this.#store.figures;
  }

  lease(): LeaseAge {
    return this.#lease.age();
  }

  override isConfirmed(_shard: number): boolean {
    return this.#leaders.isConfirmed();
  }

  override leaderHandsOver(leader: Pick<LeaderInfo, 'shard' | 'epoch'>): void {
    this.#campaigns.handedOver(leader);
  }

  override leaderRefuses(leader: Pick<LeaderInfo, 'shard' | 'epoch'>): void {
    this.#campaigns.suspect(leader);
  }

  async campaign(shard: number, options: CampaignOptions): Promise<Leadership> {
    this.#store.ended.throwIfAborted();
    assertShard(this.meta, shard);
    const leadership = await this.#campaigns.campaign(shard, options.signal);
    leadership.tickMs = options.tickMs ?? 0;
    return leadership;
  }

  async read(txid: Txid, asker?: Member): Promise<LogReading> {
    return (await readDecision(this.#question(txid, asker))).reading;
  }

  async resolve(txid: Txid, asker?: Member, shown?: Witness): Promise<LogReading> {
    const atMs = this.#options.clock.wallMs();
    return resolveDecision({ ...this.#question(txid, asker), atMs, shown });
  }

  #question(txid: Txid, asker: Member | undefined): Question {
    assertShard(this.meta, shardOf(txid));
    const question = { store: this.#store, txid };
    return asker === undefined ? question : { ...question, asker };
  }

  retire(retired: Retired): Promise<void> {
    return this.#retirements.retire(retired);
  }

  /** Of a shard that this node leads: what was retired before that leadership began, and more. */
  async retired(shard?: number): Promise<readonly Retired[]> {
    const shown = shard === undefined ? null : (this.#leaderships.get(shard)?.retirements ?? null);
    if (shown !== null && this.#retirements.hasHeard(shown)) return this.retiredBoard.known.all();
    return this.#retirements.learn();
  }

  bind(claim: Claim, identity: string, max?: number): Promise<string> {
    return this.#bindings.bind(claim, identity, max);
  }

  bindAll(
    claims: readonly Claim[],
    identity: string,
    max?: number,
  ): Promise<readonly (string | null)[]> {
    return this.#bindings.bindAll(claims, identity, max);
  }

  holderOf(claim: Claim): Promise<string | null> {
    return this.#bindings.holderOf(claim);
  }

  rebind(claim: Claim, identity: string): Promise<void> {
    return this.#bindings.rebind(claim, identity);
  }

  problems(): readonly string[] {
    const led = [...this.#leaderships.values()].map(({ problem }) => problem);
    return [this.#store.refusal, this.#alike.problem, ...led].filter((problem) => problem !== null);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#compaction.close();
    await Promise.allSettled([...this.#leaderships.values()].map((one) => one.resign()));
    this.#leaders.close();
    // Another node may lead as soon as the keys are gone, before the lease runs out.
    await this.#lease.close().catch(() => undefined);
    await this.#store.close();
    this.#options.closed?.();
  }

  #adopt(held: ObservedLeader): EtcdLeadership {
    const { shard } = held.info;
    const leadership = new EtcdLeadership({
      store: this.#store,
      held,
      leaseIsValid: () => this.#lease.isValid(held.lease),
      resolve: (txid) => this.resolve(txid),
      ended: async () => {
        if (this.#leaderships.get(shard) === leadership) this.#leaderships.delete(shard);
        await this.#release(held);
      },
    });
    this.#leaderships.set(shard, leadership);
    return leadership;
  }

  /** Every leadership hangs on the one lease. */
  #lapsed(reason: string): void {
    for (const leadership of [...this.#leaderships.values()]) leadership.end(reason);
  }

  /**
   * Deletes a leader key of ours that is not led any more: our own beats would keep it alive. Where
   * etcd cannot be reached now, the next reading of the leaders finds the key and comes here again.
   */
  async #release(held: ObservedLeader): Promise<void> {
    const { shard } = held.info;
    for (let attempt = 1; attempt <= releaseAttempts && !this.#store.ended.aborted; attempt += 1) {
      try {
        const result = await deleteLeaderKey(this.#store, held);
        if (result.succeeded) this.#leaders.learn(shard, null, result.header.revision);
        return;
      } catch {
        await this.#store.pause(releasePauseMs).catch(() => undefined);
      }
    }
  }

  #leaderChanged(shard: number): void {
    const leadership = this.#leaderships.get(shard);
    const now = this.#leaders.at(shard);
    if (leadership !== undefined && now?.info.epoch !== leadership.epoch) {
      leadership.end(now === null ? 'its leader key is gone' : `${now.info.node} leads it now`);
    }
    this.#campaigns.wake(shard);
  }

  #wasRead({ meta, nodes, retirements, revision }: ClusterReading): void {
    this.#metaSeen(meta, revision);
    this.#retirements.seen(retirements);
    this.#enrollment.check(nodes);
    // Each of several etcds has the same entries.
    if (this.#own[0] === 0) this.#alike.seen(nodes.map(({ value }) => decodeNode(value)));
    for (const shard of this.#own) {
      const held = this.#leaders.at(shard);
      if (held === null || held.lease !== this.#lease.id) continue;
      if (this.#leaderships.get(shard)?.epoch === held.info.epoch) continue;
      if (this.#campaigns.isOn(shard)) this.#campaigns.wake(shard);
      else void this.#release(held);
    }
  }

  #metaSeen(kv: KeyValue | null, revision: string): void {
    const agreed = this.#agreed;
    if (kv !== null && kv.mod_revision === agreed.modRevision) return;
    // Overtaken by the answer that is known.
    if (BigInt(revision) < BigInt(agreed.header.revision)) return;
    const meta = metaOf(kv);
    assertPart(this.#store, meta);
    assertSecretIs(agreed.meta, meta);
    const { generation } = meta;
    this.#store.guard(() => {
      this.#store.witness.adoptGeneration({ generation, revision });
      assertNotSetBack(meta);
    });
    const modRevision = kv?.mod_revision ?? agreed.modRevision;
    this.#agreed = { ...agreed, meta, modRevision, header: { ...agreed.header, revision } };
  }
}

function exitOnFatal(error: DecisionLogError): void {
  try {
    writeSync(2, `${error.message}\n`);
  } finally {
    // Also where its stderr is closed.
    process.exit(fatalExitCode);
  }
}

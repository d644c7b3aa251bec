/**
 * A simulated run of a deployment: every message of every transaction, over virtual time, with the
 * cost model's figures as service times. The same seed gives the same run.
 *
 * What it has: one thread a process, first come first served; a turn that costs more when the
 * process rested; journals and decisions in groups; at most four writes under way for a shard; one
 * thread for each etcd cluster; services as uneven as they are; a node that dies, its shards taken
 * over by the others. What it leaves out: locks, aborts, time-outs, loss of messages, and that
 * processes of one machine share its cores.
 */
import { maxBatch, maxInFlight } from '../../src/decision-log/etcd/batches.ts';
import { fractions } from '../../src/system/random.ts';
import type { Costs } from './costs.ts';
import type { Deployment } from './deployment.ts';
import { EventQueue } from './event-queue.ts';
import { Histogram } from './histogram.ts';
import { Servers } from './servers.ts';
import { Services } from './services.ts';
import { type AllServers, type Simulated, simulatedResources } from './simulated.ts';
import { state, Transactions } from './transactions.ts';
import { type Work, workOf } from './work.ts';

export interface Run {
  readonly seed: number;
  /** Not counted. */
  readonly warmUpMs: number;
  readonly durationMs: number;
  /** A node that leads dies half-way; so much later the others have its shards. */
  readonly takeoverMs?: number;
}

const arrive = 0;
const atLeader = 1;
const atParticipant = 2;
const prepared = 3;
const flushed = 4;
const voted = 5;
const ready = 6;
const atEtcd = 7;
const written = 8;
const answered = 9;
const toCommit = 10;
const acknowledged = 11;
const nodeDies = 12;
const takenOver = 13;

const noOne = -1;
/** The node that dies. */
const dies = 0;

interface Batch {
  readonly shard: number;
  readonly txs: readonly number[];
  readonly moves: boolean;
}

interface Shard {
  leader: number;
  decisions: number[];
  moves: number[];
  decisionWrites: number;
  moveWrites: number;
  /** Until someone leads. */
  waiting: number[];
}

export function simulate(costs: Costs, deployment: Deployment, run: Run): Simulated {
  return new Simulation(costs, deployment, run).run();
}

class Simulation {
  readonly #given: Deployment;
  readonly #run: Run;
  readonly #random: () => number;
  readonly #events = new EventQueue();
  readonly #all: AllServers;
  readonly #latencies = new Histogram();
  readonly #shards: readonly Shard[];
  readonly #batches: (Batch | null)[] = [];
  readonly #services: Services;
  readonly #txs: Transactions;
  /** Of a process: branches whose votes wait for the flush under way; null where none is. */
  readonly #journals: (number[] | null)[];
  readonly #flushes: number[][];
  readonly #work: Work;
  #maxMs = 0;
  #ended = 0;
  #decisions = 0;
  #writes = 0;
  #begunAgain = 0;
  #eventCount = 0;

  constructor(costs: Costs, given: Deployment, run: Run) {
    this.#given = given;
    this.#run = run;
    this.#random = fractions(Uint32Array.of(run.seed, run.seed ^ 0x9e3779b9, 0x243f6a88, 1));
    const { speed } = given.place;
    const wake = ({ wakeMs }: { readonly wakeMs: number }): number => wakeMs / speed;
    this.#work = workOf(costs, given);
    this.#all = {
      leaders: new Servers(given.nodes, wake(costs.leader)),
      etcds: new Servers(given.etcds, wake(costs.etcd) / given.place.etcdCores),
      participants: new Servers(given.serviceProcesses, wake(costs.participants)),
      clients: new Servers(given.clientProcesses, wake(costs.client)),
    };
    this.#shards = Array.from({ length: given.shards }, (_, shard) => ({
      leader: shard % given.nodes,
      decisions: [],
      moves: [],
      decisionWrites: 0,
      moveWrites: 0,
      waiting: [],
    }));
    this.#services = new Services(given, this.#random);
    this.#txs = new Transactions(given.branches);
    this.#journals = Array.from({ length: given.serviceProcesses }, () => null);
    this.#flushes = Array.from({ length: given.serviceProcesses }, () => []);
  }

  run(): Simulated {
    const { warmUpMs, durationMs, takeoverMs } = this.#run;
    const endMs = warmUpMs + durationMs;
    for (const servers of Object.values(this.#all)) servers.countFrom(warmUpMs);
    if (takeoverMs !== undefined) this.#events.add(warmUpMs + durationMs / 2, nodeDies, 0);
    this.#events.add(0, arrive, 0);
    for (;;) {
      const event = this.#events.next();
      if (event === null || event.atMs >= endMs) break;
      this.#eventCount += 1;
      this.#step(event.atMs, event.type, event.subject, event.part);
    }
    return this.#findings();
  }

  #step(nowMs: number, type: number, subject: number, part: number): void {
    switch (type) {
      case arrive:
        return this.#arrive(nowMs);
      case atLeader:
        return this.#atLeader(nowMs, subject);
      case atParticipant:
        return this.#atParticipant(nowMs, subject, part);
      case prepared:
        return this.#prepared(nowMs, subject, part);
      case flushed:
        return this.#flushed(nowMs, subject);
      case voted:
        return this.#voted(nowMs, subject);
      case ready:
        return this.#ready(nowMs, subject);
      case atEtcd:
        return this.#atEtcd(nowMs, subject);
      case written:
        return this.#written(nowMs, subject);
      case answered:
        return this.#answered(nowMs, subject, part);
      case toCommit:
        return this.#toCommit(nowMs, subject, part);
      case acknowledged:
        return this.#acknowledged(nowMs, subject);
      case nodeDies:
        return this.#nodeDies(nowMs);
      default:
        return this.#takenOver(nowMs, subject);
    }
  }

  #arrive(nowMs: number): void {
    const { perSecond, shards, clientProcesses, place } = this.#given;
    this.#events.add(nowMs - (Math.log(1 - this.#random()) / perSecond) * 1_000, arrive, 0);
    const tx = this.#begin(nowMs, Math.floor(this.#random() * shards));
    const client = Math.floor(this.#random() * clientProcesses);
    const sentMs = this.#all.clients.serve(client, nowMs, this.#work.client);
    this.#events.add(sentMs + place.roundTripMs / 2, atLeader, tx);
  }

  #begin(startedMs: number, shard: number): number {
    const { branches } = this.#given;
    const tx = this.#txs.add(startedMs, shard);
    this.#services.choose(this.#txs.process, tx * branches, branches);
    return tx;
  }

  #shardOf(tx: number): number {
    return this.#txs.shard[tx] as number;
  }

  #shard(tx: number): Shard {
    return this.#shards[this.#shardOf(tx)] as Shard;
  }

  #send(atMs: number, type: number, tx: number): void {
    const { branches, place } = this.#given;
    for (let branch = 0; branch < branches; branch += 1) {
      this.#events.add(atMs + place.roundTripMs / 2, type, tx, branch);
    }
  }

  #atLeader(nowMs: number, tx: number): void {
    const shard = this.#shard(tx);
    if (shard.leader === noOne) {
      shard.waiting.push(tx);
      return;
    }
    const doneMs = this.#all.leaders.serve(shard.leader, nowMs, this.#work.request);
    this.#send(doneMs, atParticipant, tx);
  }

  #process(tx: number, branch: number): number {
    return this.#txs.process[tx * this.#given.branches + branch] as number;
  }

  #atParticipant(nowMs: number, tx: number, branch: number): void {
    const process = this.#process(tx, branch);
    const doneMs = this.#all.participants.serve(process, nowMs, this.#work.prepare);
    this.#events.add(doneMs, prepared, process, tx);
  }

  /** Its vote waits for the flush that carries it: the next one. */
  #prepared(nowMs: number, process: number, tx: number): void {
    const next = this.#journals[process];
    if (next === null || next === undefined) {
      this.#journals[process] = [];
      this.#flush(nowMs, process, [tx]);
    } else next.push(tx);
  }

  #flush(nowMs: number, process: number, txs: number[]): void {
    this.#flushes[process] = txs;
    this.#events.add(nowMs + this.#given.place.flushMs, flushed, process);
  }

  #flushed(nowMs: number, process: number): void {
    const { roundTripMs } = this.#given.place;
    for (const tx of this.#flushes[process] as number[]) {
      this.#events.add(nowMs + roundTripMs / 2, voted, tx);
    }
    const next = this.#journals[process] as number[];
    this.#journals[process] = next.length === 0 ? null : [];
    if (next.length > 0) this.#flush(nowMs, process, next);
  }

  #voted(nowMs: number, tx: number): void {
    const { leader } = this.#shard(tx);
    if (leader === noOne || this.#txs.state[tx] !== state.running) return;
    const doneMs = this.#all.leaders.serve(leader, nowMs, this.#work.vote);
    if (this.#txs.settle(tx) === 0) this.#events.add(doneMs, ready, tx);
  }

  #ready(nowMs: number, tx: number): void {
    if (this.#txs.state[tx] !== state.running) return;
    this.#txs.state[tx] = state.deciding;
    this.#shard(tx).decisions.push(tx);
    this.#decide(nowMs, this.#shardOf(tx));
  }

  #decide(nowMs: number, index: number): void {
    const shard = this.#shards[index] as Shard;
    while (shard.decisionWrites < maxInFlight && shard.decisions.length > 0) {
      const txs = shard.decisions.splice(0, maxBatch);
      shard.decisionWrites += 1;
      this.#decisions += txs.length;
      this.#writes += 1;
      this.#write(nowMs, { shard: index, txs, moves: false });
    }
  }

  #move(nowMs: number, index: number): void {
    const shard = this.#shards[index] as Shard;
    if (shard.moveWrites > 0 || shard.moves.length === 0) return;
    shard.moveWrites += 1;
    this.#write(nowMs, { shard: index, txs: shard.moves.splice(0, maxBatch), moves: true });
  }

  #write(nowMs: number, batch: Batch): void {
    const id = this.#batches.push(batch) - 1;
    this.#events.add(nowMs + this.#given.place.roundTripMs / 2, atEtcd, id);
  }

  #atEtcd(nowMs: number, id: number): void {
    const { shards, etcds, place } = this.#given;
    const { shard, txs } = this.#batches[id] as Batch;
    const etcd = Math.floor((shard * etcds) / shards);
    const workMs = this.#work.etcdWrite + txs.length * this.#work.etcdTransaction;
    const doneMs = this.#all.etcds.serve(etcd, nowMs, workMs);
    // To the members and back, a flush, and the way back to the leader.
    this.#events.add(doneMs + place.roundTripMs * 1.5 + place.flushMs, written, id);
  }

  #written(nowMs: number, id: number): void {
    const batch = this.#batches[id] as Batch;
    this.#batches[id] = null;
    const shard = this.#shards[batch.shard] as Shard;
    if (shard.leader === noOne) return;
    if (batch.moves) {
      shard.moveWrites = Math.max(0, shard.moveWrites - 1);
      this.#all.leaders.serve(shard.leader, nowMs, batch.txs.length * this.#work.move);
      for (const tx of batch.txs) this.#txs.state[tx] = state.done;
      this.#move(nowMs, batch.shard);
      return;
    }
    shard.decisionWrites = Math.max(0, shard.decisionWrites - 1);
    for (const tx of batch.txs) {
      if (this.#txs.state[tx] === state.deciding) this.#tell(nowMs, tx, shard.leader);
    }
    this.#decide(nowMs, batch.shard);
  }

  /** The client, then the participants. */
  #tell(nowMs: number, tx: number, leader: number): void {
    const { branches, clientProcesses, place } = this.#given;
    this.#txs.state[tx] = state.decided;
    this.#txs.left[tx] = branches;
    const doneMs = this.#all.leaders.serve(leader, nowMs, this.#work.decision);
    const client = Math.floor(this.#random() * clientProcesses);
    this.#events.add(doneMs + place.roundTripMs / 2, answered, tx, client);
    this.#send(doneMs, toCommit, tx);
  }

  #answered(nowMs: number, tx: number, client: number): void {
    const doneMs = this.#all.clients.serve(client, nowMs, this.#work.client);
    if (nowMs < this.#run.warmUpMs) return;
    const latencyMs = doneMs - (this.#txs.startedMs[tx] as number);
    this.#ended += 1;
    this.#latencies.add(latencyMs);
    this.#maxMs = Math.max(this.#maxMs, latencyMs);
  }

  #toCommit(nowMs: number, tx: number, branch: number): void {
    const { roundTripMs } = this.#given.place;
    const process = this.#process(tx, branch);
    const doneMs = this.#all.participants.serve(process, nowMs, this.#work.commit);
    this.#events.add(doneMs + roundTripMs / 2, acknowledged, tx);
  }

  #acknowledged(nowMs: number, tx: number): void {
    const shard = this.#shard(tx);
    if (shard.leader === noOne || this.#txs.state[tx] !== state.decided) return;
    this.#all.leaders.serve(shard.leader, nowMs, this.#work.acknowledgement);
    if (this.#txs.settle(tx) !== 0) return;
    shard.moves.push(tx);
    this.#move(nowMs, this.#shardOf(tx));
  }

  #nodeDies(nowMs: number): void {
    for (const [index, shard] of this.#shards.entries()) {
      if (shard.leader !== dies) continue;
      shard.leader = noOne;
      this.#events.add(nowMs + (this.#run.takeoverMs ?? 0), takenOver, index);
    }
  }

  /** What was decided, or may have been, is finished; what was not is begun again by its client. */
  #takenOver(nowMs: number, index: number): void {
    const shard = this.#shards[index] as Shard;
    const { nodes } = this.#given;
    shard.leader = nodes === 1 ? 0 : 1 + Math.floor(this.#random() * (nodes - 1));
    shard.decisions = [];
    shard.moves = [];
    shard.decisionWrites = 0;
    shard.moveWrites = 0;
    const waiting = new Set(shard.waiting.splice(0));
    for (const tx of waiting) this.#events.add(nowMs, atLeader, tx);
    for (let tx = 0, last = this.#txs.count; tx < last; tx += 1) {
      if (this.#shardOf(tx) !== index || waiting.has(tx)) continue;
      const at = this.#txs.state[tx];
      if (at === state.deciding) this.#tell(nowMs, tx, shard.leader);
      else if (at === state.decided) {
        this.#txs.left[tx] = this.#given.branches;
        this.#send(nowMs, toCommit, tx);
      } else if (at === state.running) this.#again(nowMs, tx, index);
    }
  }

  #again(nowMs: number, tx: number, shard: number): void {
    this.#txs.state[tx] = state.gone;
    this.#begunAgain += 1;
    const again = this.#begin(this.#txs.startedMs[tx] as number, shard);
    this.#events.add(nowMs + this.#given.place.roundTripMs, atLeader, again);
  }

  #findings(): Simulated {
    const { perSecond } = this.#given;
    const { durationMs } = this.#run;
    return {
      offered: perSecond,
      perSecond: (this.#ended / durationMs) * 1_000,
      p50Ms: this.#latencies.percentile(0.5),
      p99Ms: this.#latencies.percentile(0.99),
      maxMs: this.#maxMs,
      decisionsInBatch: this.#decisions / this.#writes,
      begunAgain: this.#begunAgain,
      events: this.#eventCount,
      resources: simulatedResources(this.#all, this.#given, durationMs),
    };
  }
}

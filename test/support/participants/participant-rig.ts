/** A participant on a manual clock, with nodes and an application that are the test. */

import type {
  Ack,
  FromNode,
  Prepare,
  ToNode,
  VoteMessage,
  Welcome,
} from '../../../src/core/messages.ts';
import { epochOf, type Txid } from '../../../src/core/txid.ts';
import type {
  ParticipantAlarm,
  ServeBaseOptions,
  ServeOptions,
} from '../../../src/participant/options.ts';
import { type ParticipantHandle, serveParticipant } from '../../../src/participant/serve.ts';
import { silentLogger } from '../../../src/ports/logger.ts';
import type {
  BranchCall,
  PrepareCall,
  PrepareResult,
  Resource,
} from '../../../src/ports/resource.ts';
import { WatchedJournal } from '../logs/watched-journal.ts';
import { type MemoryConnection, MemoryDialer } from '../network/memory-dialer.ts';
import { ManualClock, settle } from '../samples/manual-clock.ts';
import { welcomeOf } from '../samples/messages.ts';
import { seededRandom } from '../samples/seeded-random.ts';

export interface Rig {
  readonly participant: ParticipantHandle;
  readonly clock: ManualClock;
  readonly dialer: MemoryDialer;
  readonly journal: WatchedJournal;
  readonly application: ScriptedResource;
  readonly alarms: ParticipantAlarm[];
  readonly fatal: Error[];
  readonly points: string[];
  /** Accepts the dial that waits for this node and welcomes. */
  node(name: string, more?: Partial<Welcome>): Promise<MemoryConnection>;
}

export type RigOptions = Partial<Omit<ServeBaseOptions, 'journal' | 'dialer' | 'clock'>> &
  Pick<ServeOptions, 'payload' | 'result'> & {
    readonly journal?: WatchedJournal;
    readonly application?: ScriptedResource;
    readonly clock?: ManualClock;
  };

export async function rig(options: RigOptions = {}): Promise<Rig> {
  const {
    journal = new WatchedJournal(),
    clock = new ManualClock(),
    application = new ScriptedResource(),
    ...settings
  } = options;
  journal.wallMs = () => clock.wallMs();
  const dialer = new MemoryDialer();
  const alarms: ParticipantAlarm[] = [];
  const fatal: Error[] = [];
  const points: string[] = [];
  const participant = await serveParticipant({
    logger: silentLogger,
    name: 'inventory',
    urls: ['n1:7070'],
    random: seededRandom(),
    reached: (point) => points.push(point),
    ...settings,
    journal,
    dialer,
    clock,
    resource: application,
    onAlarm: settings.onAlarm ?? ((alarm) => alarms.push(alarm)),
    onFatal: (error) => fatal.push(error),
  });
  return {
    participant,
    clock,
    dialer,
    journal,
    application,
    alarms,
    fatal,
    points,
    node: async (name, more = {}) => {
      const connection = dialer.next(`ws://${name}:7070/v1`).accept();
      connection.take();
      let leaving = false;
      // As a node that is well: behind a goaway it answers at once that it has heard.
      connection.onSent = (message) => {
        if (message.type === 'goaway') leaving = true;
        else if (leaving && message.type === 'report')
          connection.deliver({ type: 'reported', id: message.id });
      };
      connection.deliver(welcomeOf(name, more));
      await settle();
      return connection;
    },
  };
}

/** An application that remembers its calls, and prepares when and as it is told to. */
export class ScriptedResource implements Resource {
  /** `prepare stock`, `commit stock`, ... in order. */
  readonly calls: string[] = [];
  readonly prepares: PrepareCall<unknown>[] = [];
  readonly ends: BranchCall<unknown>[] = [];
  /** What the next prepares answer; a promise keeps them running. */
  answer: () => Promise<PrepareResult<unknown>> | PrepareResult<unknown> = () => ({
    vote: 'commit',
    result: { left: 3 },
  });
  /** The next commits or rollbacks fail with these, one each. */
  readonly failures: Error[] = [];

  async prepare(call: PrepareCall<unknown>): Promise<PrepareResult<unknown>> {
    this.calls.push(`prepare ${call.branch}`);
    this.prepares.push(call);
    return this.answer();
  }

  async commit(call: BranchCall<unknown>): Promise<void> {
    this.#end('commit', call);
  }

  async rollback(call: BranchCall<unknown>): Promise<void> {
    this.#end('rollback', call);
  }

  #end(name: string, call: BranchCall<unknown>): void {
    this.calls.push(`${name} ${call.branch}`);
    this.ends.push(call);
    const failure = this.failures.shift();
    if (failure !== undefined) throw failure;
  }
}

export class ListingResource extends ScriptedResource {
  held: { txid: Txid; branch: string }[] = [];

  inDoubt(): { txid: Txid; branch: string }[] {
    return this.held;
  }
}

export function prepareOf(txid: Txid, more: Partial<Prepare> = {}): Prepare {
  return {
    type: 'prepare',
    txid,
    branch: 'stock',
    epoch: epochOf(txid),
    witness: { generation: 0, revision: '9' },
    timeoutMs: 10_000,
    payload: { take: 1 },
    ...more,
  };
}

export function commandOf(type: 'commit' | 'rollback', txid: Txid, branch = 'stock'): FromNode {
  return { type, txid, branch, epoch: epochOf(txid) };
}

/** Delivers, and waits until everything that can go on has done so. */
export async function tell(connection: MemoryConnection, ...messages: FromNode[]): Promise<void> {
  connection.deliver(...messages);
  await settle();
}

/** What was sent since the last look, in short: `vote commit`, `ack abort ok`, `query`. */
export function said(connection: MemoryConnection): string[] {
  return connection.take().map(inShort);
}

export function inShort(message: ToNode): string {
  switch (message.type) {
    case 'vote':
      return `vote ${message.vote}`;
    case 'ack':
      return `ack ${message.decision} ${message.ok ? 'ok' : message.error?.code}`;
    case 'report':
      return `report ${message.inDoubt.length} ${message.kept.length}`;
    default:
      return message.type;
  }
}

export function isVote(message: ToNode): message is VoteMessage {
  return message.type === 'vote';
}

export function isAck(message: ToNode): message is Ack {
  return message.type === 'ack';
}

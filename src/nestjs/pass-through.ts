/** A client for unit tests of services: transactions without a coordinator. */
import type { Client } from '../client/client.ts';
import type { RunContext, RunOptions, RunResult } from '../client/run.ts';
import type { Transaction } from '../client/transaction.ts';
import type { BranchRequest, LockOptions } from '../client/types.ts';
import { type AbortReason, abortReason } from '../core/catalogue.ts';
import { nodeBounds } from '../core/node-bounds.ts';
import { epochZero, isTxid, placeOf, randomDigits, type Txid } from '../core/txid.ts';
import { checkPayloads } from '../peer/payloads.ts';

/** A branch that was enlisted in a test. */
export interface PassThroughBranch extends BranchRequest {
  /** Its own name, or its participant's. */
  readonly branch: string;
}

/** Made by `transactionalPassThrough`. */
export interface PassThrough {
  /** Give it under `getVerdictToken()`, or to `bindVerdict`. Only its transactions work. */
  readonly client: Client;
  /** What the committed transactions have enlisted, in order. */
  readonly committed: readonly PassThroughBranch[];
  /** The keys that the committed transactions have locked. */
  readonly locked: readonly string[];
  /** The next transaction aborts when it is to commit, with this reason. */
  abortNext(reason: Pick<AbortReason, 'code'> & Partial<AbortReason>): void;
}

/**
 * Lets methods with `@Transactional` run in a unit test without a node: each is called once, and
 * commits. No participant is called. What they enlist is kept, to look at.
 *
 * ```ts
 * const verdict = transactionalPassThrough();
 * const module = await Test.createTestingModule({
 *   providers: [Orders, { provide: getVerdictToken(), useValue: verdict.client }],
 * }).compile();
 * await module.get(Orders).place({ sku: 'lamp' });
 * expect(verdict.committed).toMatchObject([{ payload: { sku: 'lamp' } }]);
 * ```
 */
export function transactionalPassThrough(): PassThrough {
  const committed: PassThroughBranch[] = [];
  const locked: string[] = [];
  let abort: AbortReason | null = null;
  let count = 0;
  const run = async <Value>(
    work: (tx: Transaction, context: RunContext) => Promise<Value>,
    { signal }: RunOptions = {},
  ): Promise<RunResult<Value>> => {
    count += 1;
    const tx = new FakeTransaction(txidOf(count));
    const value = await work(tx as unknown as Transaction, { attempt: 1, signal });
    const { txid } = tx;
    const reason = abort ?? tx.rolledBack;
    abort = null;
    if (reason !== null) return { outcome: 'aborted', txid, reason, attempts: 1 };
    committed.push(...tx.branches.values());
    locked.push(...tx.locked);
    return { outcome: 'committed', txid, readonly: false, results: {}, value, attempts: 1 };
  };
  const others = (name: string): never => {
    throw new TypeError(
      `transactionalPassThrough has no ${name}: it is for methods with @Transactional. Test what calls ${name} against a node.`,
    );
  };
  const fake = { run, ready: async () => undefined, close: async () => undefined };
  const client = new Proxy(fake, {
    get: (target, name) =>
      Reflect.has(target, name) || typeof name === 'symbol' || isOfNest(name)
        ? Reflect.get(target, name)
        : () => others(name),
  });
  return {
    client: client as unknown as Client,
    committed,
    locked,
    abortNext: ({ code, ...more }) => {
      const message = `A test aborts it: ${code}.`;
      abort = { ...abortReason(code, { message }), ...more };
    },
  };
}

/** What Nest looks for on every object. */
function isOfNest(name: string): boolean {
  return name === 'then' || name.startsWith('on') || name.endsWith('Shutdown');
}

class FakeTransaction {
  readonly txid: Txid;
  readonly timeoutMs = 10_000;
  readonly share = '';
  readonly lockGroup: string | undefined = undefined;
  readonly branches = new Map<string, PassThroughBranch>();
  readonly locked: string[] = [];
  rolledBack: AbortReason | null = null;

  constructor(txid: Txid) {
    this.txid = txid;
  }

  get isRollbackOnly(): boolean {
    return this.rolledBack !== null;
  }

  markRollbackOnly(message: string): void {
    this.rolledBack ??= abortReason('ROLLED_BACK', { message });
  }

  async enlist(request: BranchRequest): Promise<string> {
    const { participant, branch = participant, payload } = request;
    checkPayloads([payload], () => 'payload', { maxDepth: nodeBounds.maxDepth.default, above: 1 });
    this.branches.set(branch, {
      participant,
      branch,
      ...(payload === undefined ? {} : { payload }),
    });
    return branch;
  }

  async lock(keys: readonly string[] | string, _options: LockOptions = {}): Promise<void> {
    this.locked.push(...(typeof keys === 'string' ? [keys] : keys));
  }
}

function txidOf(count: number): Txid {
  const place = placeOf({ shard: 0, epoch: epochZero, sequence: count });
  const txid = `${place}${'0'.repeat(randomDigits)}`;
  if (isTxid(txid)) return txid;
  throw new RangeError(`${txid} is no txid`);
}

/** Runs of this process that are being decided: who has still to commit, and why one refused. */
import { type AbortReason, abortReason } from '../core/catalogue.ts';
import type { VoteReason } from '../core/messages.ts';
import type { Txid } from '../core/txid.ts';
import type { DatabaseBranches } from './branches.ts';

interface Run {
  readonly left: Set<string>;
  readonly branches: readonly DatabaseBranches[];
  readonly applied: Promise<void>;
  readonly done: () => void;
  refused: AbortReason | null;
}

export class Runs {
  readonly #runs = new Map<Txid, Run>();
  readonly #over: (txid: Txid, branches: DatabaseBranches) => void;

  /** `over`: for each database when all have committed, and none will be told again. */
  constructor(over: (txid: Txid, branches: DatabaseBranches) => void = () => undefined) {
    this.#over = over;
  }

  begin(txid: Txid, branches: readonly DatabaseBranches[]): Run {
    const { promise: applied, resolve: done } = Promise.withResolvers<void>();
    const left = new Set(branches.map(({ database }) => database.name));
    const run: Run = { left, branches, applied, done, refused: null };
    this.#runs.set(txid, run);
    return run;
  }

  /** It was not committed, or no one knows. */
  end(txid: Txid): void {
    this.#runs.delete(txid);
  }

  refused(txid: Txid, participant: string, reason: VoteReason): void {
    const run = this.#runs.get(txid);
    if (run === undefined) return;
    const { code = 'VOTED_ABORT', ...more } = reason;
    run.refused ??= abortReason(code, { ...more, participant });
  }

  committed(txid: Txid, name: string): void {
    const run = this.#runs.get(txid);
    if (run === undefined) return;
    run.left.delete(name);
    if (run.left.size > 0) return;
    this.#runs.delete(txid);
    run.done();
    // Not before the last (!): after a crash the log would have all commit again, and each then
    // looks for its row.
    for (const branches of run.branches) this.#over(txid, branches);
  }
}

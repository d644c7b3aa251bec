/**
 * The witness against an etcd that was set back (docs/PROTOCOL.md, section 6, restore).
 *
 * The interleaving: T commits at revision 900, its participants are told. Etcd is restored from a
 * snapshot taken at 800. No one finds a record of T any more, so T would be presumed aborted,
 * though a part of it is committed. But a linearizable answer never shows less than an earlier one
 * did: so every answer is compared with the highest revision known when its question was asked
 * (answers to questions asked together may overtake each other), and a lower one halts the node.
 *
 * The highest revision outlives the process in a small file, which follows what was seen: a mark
 * written ahead could not be told from a regress after the restart. So a crash may lose the
 * revisions of the last quarter of a second; a living process has the exact one. What grows again
 * passes the file one day: so whoever sees the regress marks the log (quarantine.ts).
 */
import { thrownLine } from '../../core/thrown.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import { DecisionLogError } from '../../ports/decision-log.ts';
import { type DurableFiles, systemFiles } from '../../store/durable-file.ts';
import { isDecimal } from '../../wire/validators.ts';

export interface WitnessMark {
  /** Etcd's own id of its cluster. */
  readonly clusterId: string;
  readonly generation: number;
  readonly revision: string;
}

interface StoredMark extends WitnessMark {
  readonly formatVersion: 1;
  readonly cluster: string;
  /** The id of the decision log. Those that earlier versions have written lack it. */
  readonly log?: string;
}

/** A lower revision of the same log: it may grow above the higher one, and look well again. */
export interface Regress {
  readonly kind: 'lower';
  readonly log: string;
  readonly generation: number;
  readonly known: string;
  readonly seen: string;
  /** Seen by one process. A file may be of a copy of this log that lives on elsewhere. */
  readonly isLive: boolean;
}

/**
 * `mark`: what another has found is written in the log. `other`: who has a file sees it again
 * whenever it looks.
 */
type SetBackEvidence =
  | Regress
  | {
      readonly kind: 'mark';
      readonly log: string;
      readonly generation: number;
      readonly known: string;
    }
  | { readonly kind: 'other' };

const writePauseMs = 250;

export interface WitnessOptions {
  /** Null keeps nothing beyond the process, for one that only reads. */
  readonly path: string | null;
  readonly files?: DurableFiles;
  readonly cluster: string;
  readonly clock: Clock;
  readonly failed: (error: Error) => void;
}

export class WitnessKeeper {
  readonly #options: WitnessOptions;
  readonly #files: DurableFiles;
  #clusterId = '';
  #log = '';
  #generation = 0;
  /** Of the answer that showed the generation first. */
  #generationRevision = 0n;
  #revision = 0n;
  #written = 0n;
  #writing: Promise<void> | null = null;
  #timer: Timer | null = null;
  #begun = false;

  constructor(options: WitnessOptions) {
    this.#options = options;
    this.#files = options.files ?? systemFiles;
  }

  get revision(): bigint {
    return this.#revision;
  }

  get generation(): number {
    return this.#generation;
  }

  /** Compares the first answer with what the process before had seen. Throws on a regress. */
  begin(seen: WitnessMark & { readonly log: string }): void {
    const before = this.#read();
    if (before !== null && seen.generation <= before.generation) {
      if (seen.generation < before.generation) {
        throw setBackError(`its generation was ${before.generation} and is ${seen.generation}`);
      }
      if (seen.clusterId !== before.clusterId) {
        throw setBackError(`it was cluster ${before.clusterId} and is ${seen.clusterId}`);
      }
      if (BigInt(seen.revision) < BigInt(before.revision)) {
        const { log, generation } = seen;
        const { revision: known } = before;
        const lower = { kind: 'lower', log, generation, known, isLive: false } as const;
        throw setBackError(
          `its revision was ${known} and is ${seen.revision}`,
          before.log === log ? { ...lower, seen: seen.revision } : { kind: 'other' },
        );
      }
    }
    this.#clusterId = seen.clusterId;
    this.#log = seen.log;
    this.#generation = seen.generation;
    this.#revision = BigInt(seen.revision);
    this.#generationRevision = this.#revision;
    this.#begun = true;
    this.#schedule();
  }

  /**
   * An answer to a question that was asked when `known` was the highest. Throws on a regress: what
   * wrote something must have come out above it. An etcd that lost one revision is back at it with
   * one write.
   */
  observe(
    seen: Omit<WitnessMark, 'generation'>,
    asked: { readonly known: bigint; readonly wrote: boolean },
  ): void {
    if (!this.#begun) return;
    if (seen.clusterId !== this.#clusterId) {
      throw setBackError(`it was cluster ${this.#clusterId} and is ${seen.clusterId}`);
    }
    const revision = BigInt(seen.revision);
    const { known, wrote } = asked;
    if (revision < known || (wrote && revision === known)) {
      const now = wrote ? `${revision} after one more write` : String(revision);
      throw setBackError(`its revision was ${known} and is ${now}`, this.#regressTo(seen.revision));
    }
    if (revision <= this.#revision) return;
    this.#revision = revision;
    this.#schedule();
  }

  /**
   * The generation as an answer of that revision has it. Throws where it was lowered; an answer
   * from before it was raised, which another has overtaken, is not that.
   */
  adoptGeneration({ generation, revision }: Pick<WitnessMark, 'generation' | 'revision'>): void {
    if (generation < this.#generation) {
      if (BigInt(revision) < this.#generationRevision) return;
      throw setBackError(
        `its generation was ${this.#generation} and is ${generation}`,
        this.#regressTo(revision),
      );
    }
    if (generation === this.#generation) return;
    this.#generation = generation;
    this.#generationRevision = BigInt(revision);
    this.#written = -1n;
    this.#schedule();
  }

  /**
   * Of a log that is marked: what was seen beyond `known` may be of the state that was restored,
   * and the one that is brought back may never have come so far.
   */
  async distrust({
    log,
    generation,
    known,
  }: Omit<Regress, 'kind' | 'seen' | 'isLive'>): Promise<void> {
    const { path } = this.#options;
    this.#begun = false;
    this.#timer?.cancel();
    await this.#writing;
    const before = this.#read();
    if (path === null || before === null) return;
    // What it knew before that log was raised, or of another, is not touched.
    if (before.log !== log || before.generation !== generation) return;
    if (BigInt(before.revision) <= BigInt(known)) return;
    await this.#files.write(path, textOf({ ...before, revision: known }));
  }

  /** The last thing of a process that ends in order: the file is exact then. */
  async close(): Promise<void> {
    this.#timer?.cancel();
    await this.#writing;
    await this.#write();
  }

  #schedule(): void {
    if (!this.#begun || this.#options.path === null) return;
    if (this.#timer !== null || this.#writing !== null) return;
    this.#timer = this.#options.clock.setTimer(writePauseMs, () => {
      this.#timer = null;
      this.#writing = this.#write().finally(() => {
        this.#writing = null;
        if (this.#revision !== this.#written) this.#schedule();
      });
    });
  }

  async #write(): Promise<void> {
    const { path } = this.#options;
    if (path === null || !this.#begun || this.#written === this.#revision) return;
    const revision = this.#revision;
    try {
      await this.#files.write(path, textOf(this.#mark()));
      this.#written = revision;
    } catch (error) {
      this.#options.failed(
        new DecisionLogError(
          `The file ${path}, which guards against a restored etcd, cannot be written: ${thrownLine(error)}. Make room on its disk, or correct its permissions.`,
          { cause: error },
        ),
      );
      // Not tried again without a pause, and not taken for written.
      this.#written = revision;
    }
  }

  #regressTo(seen: string): Regress {
    const [log, generation, known] = [this.#log, this.#generation, String(this.#revision)];
    return { kind: 'lower', log, generation, known, seen, isLive: true };
  }

  #mark(): StoredMark {
    return {
      formatVersion: 1,
      cluster: this.#options.cluster,
      log: this.#log,
      clusterId: this.#clusterId,
      generation: this.#generation,
      revision: String(this.#revision),
    };
  }

  #read(): StoredMark | null {
    const { path, cluster } = this.#options;
    const text = path === null ? null : this.#files.read(path);
    if (text === null) return null;
    const mark = parseMark(text);
    if (mark === null) {
      throw new DecisionLogError(
        `The file ${path}, which guards against a restored etcd, cannot be read. If etcd was certainly not restored since this node last ran, remove the file.`,
      );
    }
    if (mark.cluster !== cluster) {
      throw new DecisionLogError(
        `The state directory belongs to a node of cluster ${mark.cluster}, not of ${cluster}. Give each node a directory of its own.`,
      );
    }
    return mark;
  }
}

const textOf = (mark: StoredMark): string => `${JSON.stringify(mark)}\n`;

function parseMark(text: string): StoredMark | null {
  try {
    const mark = JSON.parse(text) as Partial<StoredMark> | null;
    const whole =
      mark?.formatVersion === 1 &&
      typeof mark.cluster === 'string' &&
      typeof mark.clusterId === 'string' &&
      (mark.log === undefined || typeof mark.log === 'string') &&
      Number.isSafeInteger(mark.generation) &&
      isDecimal(mark.revision);
    return whole ? (mark as StoredMark) : null;
  } catch {
    return null;
  }
}

/** Etcd shows less than it did: commits that participants know may be gone from it. */
export class LogSetBackError extends DecisionLogError {
  override readonly name = 'LogSetBackError';
  readonly evidence: SetBackEvidence;

  constructor(message: string, options: { readonly evidence: SetBackEvidence }) {
    super(message);
    this.evidence = options.evidence;
  }
}

export function setBackError(
  what: string,
  evidence: SetBackEvidence = { kind: 'other' },
): LogSetBackError {
  return new LogSetBackError(
    `Etcd was set back or replaced: ${what}. It may have lost commits that participants know, so this node halts. Bring back the newest data of etcd; if an older state is all there is, stop all nodes and raise the generation of the cluster with \`verdict raise-generation\`, as the chapter on restoring in docs/OPERATING.md says.`,
    { evidence },
  );
}

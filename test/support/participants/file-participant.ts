/**
 * A participant of the library mode whose state is a file of lines, each flushed before its call
 * returns: what survives a kill -9 is exactly what it answered for. It breaks loudly on a commit of
 * what it does not hold.
 */
import {
  appendFileSync,
  closeSync,
  existsSync,
  fdatasyncSync,
  openSync,
  readFileSync,
  writeSync,
} from 'node:fs';
import type { EmbeddedParticipant } from '../../../src/embedded.ts';

export type FileState = 'prepared' | 'committed' | 'rolled-back';

/** Where a test may end the process: the line is on disk, the call has not returned. */
export type FilePoint =
  | 'participant-prepared'
  | 'participant-committed'
  | 'participant-rolled-back';

export interface FileParticipantOptions {
  readonly name: string;
  readonly path: string;
  readonly reached?: (point: FilePoint) => void;
  /**
   * What it does instead of its duty; called before it. Throws, or returns an answer, or null to go
   * on.
   */
  readonly whim?: (method: 'prepare' | 'commit' | 'rollback') => Promise<boolean | null>;
}

export class FileParticipant implements EmbeddedParticipant {
  readonly name: string;
  readonly #states: Map<string, FileState>;
  readonly #file: number;
  readonly #given: FileParticipantOptions;

  constructor(given: FileParticipantOptions) {
    this.name = given.name;
    this.#given = given;
    this.#states = readStates(given.path);
    // A line that the end of the process cut in two: what comes next must not join it.
    if (existsSync(given.path) && !readFileSync(given.path, 'utf8').endsWith('\n')) {
      appendFileSync(given.path, '\n');
    }
    this.#file = openSync(given.path, 'a');
  }

  async prepare(txid: string): Promise<boolean> {
    const answer = await this.#given.whim?.('prepare');
    if (answer === false) return false;
    this.#expect(txid, [undefined]);
    this.#write('prepared', txid);
    this.#given.reached?.('participant-prepared');
    return true;
  }

  async commit(txid: string): Promise<boolean> {
    const answer = await this.#given.whim?.('commit');
    if (answer === false) return false;
    if (this.#states.get(txid) === 'committed') return true;
    this.#expect(txid, ['prepared']);
    this.#write('committed', txid);
    this.#given.reached?.('participant-committed');
    return true;
  }

  async rollback(txid: string): Promise<boolean> {
    const answer = await this.#given.whim?.('rollback');
    if (answer === false) return false;
    if (this.#states.get(txid) === 'rolled-back') return true;
    this.#expect(txid, [undefined, 'prepared']);
    this.#write('rolled-back', txid);
    this.#given.reached?.('participant-rolled-back');
    return true;
  }

  inDoubt(): string[] {
    return [...this.#states].filter(([, state]) => state === 'prepared').map(([txid]) => txid);
  }

  close(): void {
    closeSync(this.#file);
  }

  #write(state: FileState, txid: string): void {
    writeSync(this.#file, `${state} ${txid}\n`);
    fdatasyncSync(this.#file);
    this.#states.set(txid, state);
  }

  #expect(txid: string, allowed: readonly (FileState | undefined)[]): void {
    const state = this.#states.get(txid);
    if (allowed.includes(state)) return;
    writeSync(this.#file, `violation ${txid}\n`);
    throw new Error(`${this.name}: ${txid} is ${state ?? 'not held'}.`);
  }
}

/** Throws where a call came that may never come. */
export function readStates(path: string): Map<string, FileState> {
  const states = new Map<string, FileState>();
  if (!existsSync(path)) return states;
  for (const line of readFileSync(path, 'utf8').split('\n').slice(0, -1)) {
    const [state, txid] = line.split(' ');
    if (state === 'violation') throw new Error(`${path} saw what may never be: ${line}`);
    // What is cut has no whole word and id.
    if (txid === undefined || !['prepared', 'committed', 'rolled-back'].includes(state ?? ''))
      continue;
    states.set(txid, state as FileState);
  }
  return states;
}

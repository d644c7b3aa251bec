/** A thread that makes a directory in each round, at the same time as others make theirs. */
import { workerData } from 'node:worker_threads';
import { makeDirectory } from '../../../src/store/store-place.ts';

export interface Rounds {
  /** In each round one directory, whose parents are missing. */
  readonly directories: readonly string[];
  /** How many have come to the round: all begin it together. */
  readonly arrived: Int32Array<SharedArrayBuffer>;
  readonly threads: number;
}

const { directories, arrived, threads } = workerData as Rounds;

for (const [round, directory] of directories.entries()) {
  Atomics.add(arrived, round, 1);
  // Spins: a thread that is woken comes too late to meet another.
  while (Atomics.load(arrived, round) < threads);
  makeDirectory(directory);
}

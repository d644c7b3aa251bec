/** Services, as uneven as they are, and their processes, by chance. */
import { type Deployment, processesOf, sharesOf } from './deployment.ts';

export class Services {
  /** The busiest service first. */
  readonly #cumulative: Float64Array;
  readonly #processes: readonly number[];
  readonly #first: readonly number[];
  readonly #random: () => number;

  constructor(deployment: Deployment, random: () => number) {
    let sum = 0;
    this.#cumulative = Float64Array.from(sharesOf(deployment), (share) => {
      sum += share;
      return sum;
    });
    this.#processes = processesOf(deployment);
    this.#first = firstOf(this.#processes);
    this.#random = random;
  }

  /** A process for each branch, of services that are all different. */
  choose(processes: Int32Array, from: number, branches: number): void {
    for (let branch = 0; branch < branches; branch += 1) {
      let service = this.#one();
      while (this.#isTaken(processes, from, branch, service)) service = this.#one();
      const process = Math.floor(this.#random() * (this.#processes[service] as number));
      processes[from + branch] = (this.#first[service] as number) + process;
    }
  }

  #isTaken(processes: Int32Array, from: number, branches: number, service: number): boolean {
    const first = this.#first[service] as number;
    const end = first + (this.#processes[service] as number);
    for (let branch = 0; branch < branches; branch += 1) {
      const process = processes[from + branch] as number;
      if (process >= first && process < end) return true;
    }
    return false;
  }

  #one(): number {
    const chance = this.#random();
    let [low, high] = [0, this.#cumulative.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#cumulative[middle] as number) > chance) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/** The processes of the service that has most to do for each of them. */
export function busiestService(deployment: Deployment): readonly number[] {
  const processes = processesOf(deployment);
  const loads = sharesOf(deployment).map(
    (share, index) => Math.min(1, share * deployment.branches) / (processes[index] ?? 1),
  );
  const busiest = loads.indexOf(Math.max(...loads));
  const first = firstOf(processes)[busiest] ?? 0;
  return Array.from({ length: processes[busiest] ?? 0 }, (_, index) => first + index);
}

function firstOf(processes: readonly number[]): readonly number[] {
  let sum = 0;
  return processes.map((count) => {
    sum += count;
    return sum - count;
  });
}

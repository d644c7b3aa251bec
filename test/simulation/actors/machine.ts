/** A machine: its disk outlives the processes that run on it, one after the other. */
import { Chance } from '../world/chance.ts';
import { SimProcess } from '../world/process.ts';
import type { World } from '../world/world.ts';

export interface MachineOptions {
  readonly world: World;
  readonly name: string;
  readonly rate: number;
  readonly restartMs: () => number;
  readonly died: () => void;
  /** Whether it dies as it passes this point of its code. */
  readonly diesAt: (point: string) => boolean;
}

export abstract class Machine<Options extends MachineOptions = MachineOptions> {
  readonly world: World;
  readonly name: string;
  process: SimProcess | null = null;
  starts = 0;
  /** Not started again by itself. */
  retired = false;
  protected readonly options: Options;
  #wallOffsetMs = 0;

  constructor(options: Options) {
    this.options = options;
    this.world = options.world;
    this.name = options.name;
  }

  get runs(): boolean {
    return this.process?.alive === true;
  }

  start(): void {
    if (this.runs || this.retired) return;
    this.starts += 1;
    const { world, name, rate } = this.options;
    const process = new SimProcess({
      world,
      name,
      rate,
      chance: new Chance(world.seed, `${name}/${this.starts}`),
      died: (how) => this.#died(how),
    });
    process.wallOffsetMs = this.#wallOffsetMs;
    this.process = process;
    world.note(name, 'starts');
    this.run(process).catch((error: unknown) => {
      if (!process.alive) return;
      world.note(
        name,
        `could not start: ${error instanceof Error ? error.message : String(error)}`,
      );
      process.kill('ended');
    });
  }

  /** The power goes, and with it the kernel: no one is told. */
  vanish(): void {
    this.tells = false;
    this.process?.kill();
    this.tells = true;
  }

  jumpWall(byMs: number): void {
    this.#wallOffsetMs += byMs;
    if (this.process !== null) this.process.wallOffsetMs = this.#wallOffsetMs;
  }

  /** Called at each named point of the production code. */
  protected passes(process: SimProcess, point: string): void {
    if (process.alive && this.options.diesAt(point)) process.kill();
  }

  protected tells = true;
  protected abstract run(process: SimProcess): Promise<void>;
  /** What the death of the process does to its connections and its disk. */
  protected abstract fell(process: SimProcess, options: { readonly tells: boolean }): void;

  #died(how: 'killed' | 'ended'): void {
    const { process } = this;
    if (process === null) return;
    if (how === 'killed') this.options.died();
    this.fell(process, { tells: this.tells || how === 'ended' });
    if (!this.retired) this.world.after(this.options.restartMs(), () => this.start());
  }
}

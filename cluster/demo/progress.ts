/**
 * How far the demo is: a bar on a terminal, plain lines elsewhere, nothing where a program reads.
 * On stderr.
 */
import process from 'node:process';
import { Presets, SingleBar } from 'cli-progress';
import type { DemoProgress } from './run.ts';

export interface Progress extends DemoProgress {
  /** Takes the bar away. */
  end(): void;
}

export function createProgress(options: {
  readonly orderCount: number;
  readonly quiet: boolean;
}): Progress {
  if (options.quiet)
    return { stage: () => undefined, answered: () => undefined, end: () => undefined };
  return process.stderr.isTTY === true
    ? new Bar(options.orderCount)
    : new Lines(options.orderCount);
}

class Lines implements Progress {
  readonly #orderCount: number;
  #toldQuarters = 0;

  constructor(orderCount: number) {
    this.#orderCount = orderCount;
  }

  stage(text: string): void {
    process.stderr.write(`${text}\n`);
  }

  answered(count: number): void {
    const quarters = Math.floor((count * 4) / this.#orderCount);
    if (quarters === this.#toldQuarters) return;
    this.#toldQuarters = quarters;
    process.stderr.write(`  ${count} of ${this.#orderCount} orders answered\n`);
  }

  end(): void {
    // Nothing is to be taken away.
  }
}

class Bar implements Progress {
  readonly #orderCount: number;
  #bar: SingleBar | null = null;
  #count = 0;

  constructor(orderCount: number) {
    this.#orderCount = orderCount;
  }

  stage(text: string): void {
    // Above the bar, which goes on below it.
    const count = this.#bar === null ? null : this.#count;
    this.end();
    process.stderr.write(`${text}\n`);
    if (count !== null && count < this.#orderCount) this.answered(count);
  }

  answered(count: number): void {
    this.#count = count;
    if (this.#bar === null) {
      this.#bar = new SingleBar(
        {
          // The seconds move also where no answer comes: it waits, and is not stuck.
          format: '  {bar} {percentage}%  {value}/{total} orders  {duration_formatted}',
          fps: 5,
          etaAsynchronousUpdate: true,
          stream: process.stderr,
          hideCursor: true,
          // The demo has its own way of ending on Ctrl-C.
          gracefulExit: false,
        },
        Presets.shades_classic,
      );
      this.#bar.start(this.#orderCount, 0);
    }
    this.#bar.update(count);
  }

  end(): void {
    this.#bar?.stop();
    this.#bar = null;
  }
}

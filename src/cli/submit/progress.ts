/** The progress bar of a `submit`, on a terminal's stderr. */
// A CommonJS module whose names Node cannot see.
import progress, { type Options, type SingleBar } from 'cli-progress';
import { systemClock } from '../../system/clock.ts';
import type { Io, Output } from '../io.ts';
import { countText, durationText } from '../text.ts';
import type { Tally } from './tally.ts';

const barWidth = 24;
const columnsDefault = 80;
/** The rate is of the last seconds, so that a pause shows. */
const rateWindowMs = 3_000;

export class Progress {
  readonly #stream: Output;
  readonly #bar: SingleBar | null;
  readonly #inputBytes: number | null;
  readonly #tally: Tally;
  #startedAtMs = 0;
  #window = { atMs: 0, ended: 0, perSecond: 0 };

  constructor(
    io: Io,
    options: {
      readonly shown: boolean;
      /** Null: not known, as of a pipe. There is no bar then, only counts. */
      readonly inputBytes: number | null;
      readonly tally: Tally;
    },
  ) {
    this.#stream = io.stderr;
    this.#inputBytes = options.inputBytes;
    this.#tally = options.tally;
    this.#bar = options.shown
      ? new progress.SingleBar({
          stream: io.stderr,
          format: (options, params) => this.#text(options, params.progress),
          barsize: barWidth,
          barCompleteChar: '█',
          barIncompleteChar: '░',
          fps: 10,
          hideCursor: true,
          clearOnComplete: true,
          // Else the library turns the terminal's wrapping off, for the answers too.
          linewrap: true,
          forceRedraw: true,
        })
      : null;
  }

  start(): void {
    this.#startedAtMs = systemClock.monotonicMs();
    this.#window.atMs = this.#startedAtMs;
    this.#bar?.start(this.#inputBytes ?? 1, 0);
  }

  /** How much of the input was handed over. */
  update(bytes: number): void {
    if (this.#inputBytes !== null) this.#bar?.update(Math.min(bytes, this.#inputBytes));
  }

  stop(): void {
    if (this.#bar?.isActive !== true) return;
    // The library returns to where it first drew the bar, which lines have scrolled away since.
    this.aside(() => this.#stream.write('\u001B7'));
    this.#bar.stop();
  }

  /** Clears the bar's line for what is written by others; it is drawn again in its own time. */
  aside(write: () => void): void {
    if (this.#bar?.isActive === true) this.#stream.write('\r\u001B[K');
    write();
  }

  #text(options: Options, fraction: number): string {
    const { committed, aborted, unknown, refused } = this.#tally.counts;
    const failed = unknown + refused + this.#tally.badLines;
    const nowMs = systemClock.monotonicMs();
    const parts = [
      `${countText(this.#perSecond(nowMs))}/s`,
      `${countText(committed)} committed`,
      `${countText(aborted)} aborted`,
      `${countText(failed)} failed`,
    ];
    const elapsedMs = nowMs - this.#startedAtMs;
    if (this.#inputBytes === null) {
      parts.unshift(durationText(Math.round(elapsedMs / 1_000) * 1_000));
    } else {
      parts.unshift(
        `${progress.Format.BarFormat(fraction, options)} ${Math.floor(fraction * 100)}%`,
      );
      if (fraction > 0 && fraction < 1) {
        const leftMs = (elapsedMs / fraction) * (1 - fraction);
        parts.push(`${durationText(Math.ceil(leftMs / 1_000) * 1_000)} left`);
      }
    }
    // One that wraps could not be cleared.
    const columns = this.#stream.columns ?? columnsDefault;
    return parts.join('  ').slice(0, Math.max(1, columns - 1));
  }

  #perSecond(nowMs: number): number {
    const { atMs, ended } = this.#window;
    const elapsedMs = nowMs - atMs;
    const now = this.#tally.ended;
    if (elapsedMs >= rateWindowMs) {
      this.#window = { atMs: nowMs, ended: now, perSecond: ((now - ended) / elapsedMs) * 1_000 };
    } else if (atMs === this.#startedAtMs && elapsedMs > 0) {
      return Math.round((now / elapsedMs) * 1_000);
    }
    return Math.round(this.#window.perSecond);
  }
}

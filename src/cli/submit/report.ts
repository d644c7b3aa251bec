/** What a `submit` prints: outcomes on stdout; bad lines and a summary on stderr. */
import type { Io } from '../io.ts';
import { LineWriter } from '../line-writer.ts';
import { type Colors, colorsFor, harmless, jsonText, reasonText } from '../text.ts';
import { Progress } from './progress.ts';
import { summaryLines, summaryValue } from './summary.ts';
import { type StopCause, Tally } from './tally.ts';
import type { Ended } from './transact.ts';

export interface SubmitEnd {
  readonly stopCause: StopCause | null;
  /** The input could not be read to its end. */
  readonly inputFailure: { readonly error: unknown } | null;
  /** Every line up to this one was dealt with. */
  readonly lastLine: number;
  /** A transaction had no requestId: running the file again would repeat it. */
  readonly withoutRequestId: boolean;
  readonly ms: number;
}

/** For the command that goes on after a stop. */
export interface Source {
  /** As named on the command line; `-` for stdin. */
  readonly file: string;
  readonly urls: readonly string[];
}

export class SubmitReport {
  readonly tally: Tally = new Tally();
  readonly progress: Progress;
  readonly #json: boolean;
  readonly #source: Source;
  readonly #colors: Colors;
  readonly #answers: LineWriter;
  readonly #remarks: LineWriter;

  constructor(
    io: Io,
    options: {
      readonly json: boolean;
      readonly source: Source;
      /** Null: not known. */
      readonly inputBytes: number | null;
      /** The reader of the answers went away, or they cannot be written. */
      readonly onOutputEnd: () => void;
    },
  ) {
    this.#json = options.json;
    this.#source = options.source;
    this.#colors = colorsFor(io.stdout, io.env);
    this.progress = new Progress(io, {
      shown: io.stderr.isTTY === true && !options.json,
      inputBytes: options.inputBytes,
      tally: this.tally,
    });
    const aside = (write: () => void): void => this.progress.aside(write);
    this.#answers = new LineWriter(io.stdout, {
      onEnd: options.onOutputEnd,
      // A bar on another device than the answers need not make way for them.
      ...(io.stdout.isTTY === true ? { around: aside } : {}),
    });
    this.#remarks = new LineWriter(io.stderr, { around: aside });
  }

  ended(given: { line: number; requestId: string | null; ended: Ended; ms: number }): void {
    const { line, requestId, ended, ms } = given;
    this.tally.add(ended, ms);
    if (this.#json) {
      // The keys that every line has come first, for whoever reads it with the eye.
      const { txid, outcome, ...more } = ended;
      const rounded = Math.round(ms * 10) / 10;
      this.#answers.line(jsonText({ line, requestId, txid, outcome, ...more, ms: rounded }));
    } else {
      const name = requestId === null ? `line:${line}` : harmless(requestId);
      this.#answers.line(`${name}  ${ended.txid ?? '-'}  ${this.#outcomeText(ended)}`);
    }
  }

  bad(given: { line: number; requestId: string | null; problem: string }): void {
    const { line, requestId, problem } = given;
    this.tally.badLines += 1;
    if (this.#json) {
      const error = { code: 'BAD_LINE', message: problem };
      this.#answers.line(
        jsonText({ line, requestId, txid: null, outcome: 'refused', error, ms: 0 }),
      );
    } else {
      const name = requestId === null || requestId === '' ? '' : ` (${harmless(requestId)})`;
      this.#remarks.line(`line ${line}${name}: ${harmless(problem)}`);
    }
  }

  remark(text: string): void {
    if (!this.#json) this.#remarks.line(text);
  }

  /** While stdout or stderr is behind, nothing more is to be submitted. */
  async room(): Promise<void> {
    await this.#answers.room();
    await this.#remarks.room();
  }

  /** Rejects where the answers could not be written. */
  async finish(end: SubmitEnd): Promise<void> {
    this.progress.stop();
    const given = { tally: this.tally, end, source: this.#source };
    if (this.#json) this.#remarks.line(jsonText({ summary: summaryValue(given) }));
    else for (const line of summaryLines(given)) this.#remarks.line(line);
    try {
      await this.#answers.finish();
    } finally {
      await this.#remarks.finish().catch(() => undefined);
    }
  }

  #outcomeText(ended: Ended): string {
    const { green, yellow, red } = this.#colors;
    switch (ended.outcome) {
      case 'committed':
        return green('committed');
      case 'aborted':
        return `${yellow('aborted')}  ${reasonText(ended.reason)}`;
      case 'unknown':
      case 'refused':
        return `${red(ended.outcome)}  ${ended.error.code}: ${harmless(ended.error.message)}`;
    }
  }
}

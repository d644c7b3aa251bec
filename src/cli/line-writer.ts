/**
 * Writes lines to a stream that may be slow, or may go away. Lines of one turn of the event loop
 * leave in one write; waiting for `room` keeps memory constant.
 */
import { CommandError } from './command-error.ts';
import type { Output } from './io.ts';

/** Characters that may wait for the end of the turn: a turn can be long. */
const maxGathered = 16_384;

export class LineWriter {
  readonly #stream: Output;
  readonly #onEnd: () => void;
  readonly #around: (write: () => void) => void;
  #gathered = '';
  #flushDue = false;
  #gone = false;
  #error: Error | null = null;
  #room: PromiseWithResolvers<void> | null = null;

  constructor(
    stream: Output,
    options: {
      /** Called once when the stream takes nothing any more. */
      readonly onEnd?: () => void;
      /** Wraps each write: for whoever draws on the same terminal. */
      readonly around?: (write: () => void) => void;
    } = {},
  ) {
    this.#stream = stream;
    this.#onEnd = options.onEnd ?? (() => undefined);
    this.#around = options.around ?? ((write) => write());
    stream.on('error', this.#failed);
    stream.on('drain', this.#drained);
  }

  /** The reader of the stream went away, as `| head` does. */
  get gone(): boolean {
    return this.#gone;
  }

  line(text: string): void {
    if (this.#ended) return;
    this.#gathered += `${text}\n`;
    if (this.#gathered.length >= maxGathered) {
      this.#flush();
    } else if (!this.#flushDue) {
      this.#flushDue = true;
      setImmediate(() => this.#flush());
    }
  }

  /** Resolves when more may be written: at once unless the stream is behind. Never rejects. */
  room(): Promise<void> {
    return this.#room?.promise ?? Promise.resolve();
  }

  /**
   * Resolves when everything is written or the reader is gone. Rejects with a CommandError when it
   * cannot be written for another reason, such as a full disk.
   */
  async finish(): Promise<void> {
    this.#flush();
    if (!this.#ended) {
      await new Promise<void>((resolve) => {
        // The callback comes after all earlier writes; its error is heard by the listener, too.
        this.#stream.write('', () => resolve());
      });
    }
    this.#stream.removeListener('drain', this.#drained);
    if (this.#error !== null) {
      throw new CommandError(
        'OUTPUT',
        `The output cannot be written: ${this.#error.message}. What is on it is not complete.`,
      );
    }
  }

  get #ended(): boolean {
    return this.#gone || this.#error !== null;
  }

  #flush(): void {
    this.#flushDue = false;
    const text = this.#gathered;
    this.#gathered = '';
    if (text === '' || this.#ended) return;
    this.#around(() => {
      if (!this.#stream.write(text)) this.#room ??= Promise.withResolvers();
    });
  }

  readonly #drained = (): void => {
    this.#room?.resolve();
    this.#room = null;
  };

  readonly #failed = (error: NodeJS.ErrnoException): void => {
    if (this.#ended) return;
    if (error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED') this.#gone = true;
    else this.#error = error;
    this.#drained();
    this.#onEnd();
  };
}

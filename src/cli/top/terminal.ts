/** A terminal that is drawn over again and again, and is left as it was found. */
import type { Io } from '../io.ts';

/** A screen of its own, without the cursor and without lines that wrap; and back. */
const enter = '\u001b[?1049h\u001b[?25l\u001b[?7l';
const leave = '\u001b[?7h\u001b[?25h\u001b[?1049l';
const home = '\u001b[H';
const toEndOfLine = '\u001b[K';
const toEndOfScreen = '\u001b[J';

const usualRows = 24;
const usualColumns = 80;

export interface TerminalEvents {
  key(key: string): void;
  resized(): void;
  /** It is not there any more. */
  gone(): void;
}

export class LiveTerminal {
  readonly #io: Io;
  readonly #events: TerminalEvents;
  readonly #canType: boolean;
  #isOpen = false;

  constructor(io: Io, events: TerminalEvents) {
    this.#io = io;
    this.#events = events;
    this.#canType = io.stdin.isTTY === true && io.stdin.setRawMode !== undefined;
  }

  get width(): number {
    return this.#io.stdout.columns ?? usualColumns;
  }

  get height(): number {
    return this.#io.stdout.rows ?? usualRows;
  }

  open(): void {
    const { stdin, stdout } = this.#io;
    this.#isOpen = true;
    // Also where the process ends by a fault elsewhere.
    process.once('exit', this.#restore);
    stdout.on('resize', this.#events.resized);
    stdout.on('error', this.#events.gone);
    if (this.#canType) {
      stdin.setRawMode?.(true);
      stdin.on('data', this.#typed);
      stdin.resume();
    }
    stdout.write(enter);
  }

  draw(lines: readonly string[]): void {
    if (!this.#isOpen) return;
    const shown = lines.slice(0, this.height).map((line) => line + toEndOfLine);
    this.#io.stdout.write(home + shown.join('\r\n') + toEndOfScreen);
  }

  close(): void {
    const { stdin, stdout } = this.#io;
    this.#restore();
    process.removeListener('exit', this.#restore);
    stdout.removeListener('resize', this.#events.resized);
    if (!this.#canType) return;
    stdin.removeListener('data', this.#typed);
    stdin.pause();
  }

  readonly #restore = (): void => {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#io.stdout.write(leave);
    if (this.#canType) this.#io.stdin.setRawMode?.(false);
  };

  /** Several may come at once; the sequences of arrows and the like are none of ours. */
  readonly #typed = (data: Buffer | string): void => {
    const text = data.toString();
    if (text.startsWith('\u001b')) return;
    for (const key of text) this.#events.key(key);
  };
}

/**
 * Where the notification service's messages go: a file of lines, in place of a mail provider. As
 * any receiver of an outbox it may get a message twice, and drops the second by its id.
 */
import { existsSync, readFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { OutboxMessage } from '../../src/outbox.ts';

const file = 'sent.jsonl';
const lineEnd = 10;

export class Mailbox {
  readonly #file: FileHandle;

  static async open(directory: string): Promise<Mailbox> {
    const handle = await open(join(directory, file), 'a+');
    const bytes = await handle.readFile();
    // A line that a crash cut short was never answered: it comes again.
    await handle.truncate(bytes.lastIndexOf(lineEnd) + 1);
    return new Mailbox(handle);
  }

  private constructor(handle: FileHandle) {
    this.#file = handle;
  }

  /** Resolves when the message is on disk. */
  async deliver(message: OutboxMessage): Promise<void> {
    await this.#file.appendFile(`${JSON.stringify(message)}\n`);
    await this.#file.datasync();
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

/** What was delivered, each message once. */
export function readMailbox(directory: string): readonly OutboxMessage[] {
  const path = join(directory, file);
  if (!existsSync(path)) return [];
  const text = readFileSync(path, 'utf8');
  const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
  const messages = lines.filter(Boolean).map((line) => JSON.parse(line) as OutboxMessage);
  return [...new Map(messages.map((message) => [message.id, message])).values()];
}

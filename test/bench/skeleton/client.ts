/** The base line's client. */
import { WebSocket } from 'ws';
import { within } from '../../support/process/child.ts';
import { type Fields, SkeletonConnection } from './wire.ts';

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class SkeletonClient {
  readonly #socket: WebSocket;
  readonly #connection: SkeletonConnection;
  readonly #waiting = new Map<unknown, Waiting>();
  #nextId = 1;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    this.#connection = new SkeletonConnection(socket, (message) => this.#received(message));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      const error = new Error('The base line closed its connection: look at its process.');
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
    });
  }

  static async connected(port: string): Promise<SkeletonClient> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: false });
    const client = new SkeletonClient(socket);
    await within(
      new Promise((resolve, reject) => {
        socket.once('open', resolve);
        socket.once('error', reject);
      }),
      'the base line to take a connection',
    );
    return client;
  }

  /** Resolves when it is committed. */
  transact(branches: readonly Fields[]): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#socket.readyState !== WebSocket.OPEN) {
        reject(new Error('The base line is not connected.'));
        return;
      }
      const id = this.#nextId++;
      this.#waiting.set(id, { resolve, reject });
      this.#connection.send({ type: 'transact', id, announce: true, branches });
    });
  }

  close(): void {
    this.#socket.terminate();
  }

  #received(message: Fields): void {
    if (message['type'] !== 'outcome') return;
    const { id } = message;
    this.#waiting.get(id)?.resolve();
    this.#waiting.delete(id);
  }
}

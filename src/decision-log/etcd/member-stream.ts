import type { EtcdStream, EtcdStub } from './client.ts';
import type { StickyClient } from './clients.ts';

export interface MemberStreamOptions<Request, Response> {
  readonly client: StickyClient;
  readonly open: (stub: EtcdStub) => Promise<EtcdStream<Request, Response>>;
  readonly received: (response: Response) => void;
  /** It ended by itself, or could not be opened. */
  readonly ended: () => void;
}

/** A stream to one member of etcd, one at a time. After one that failed comes the next member's. */
export class MemberStream<Request, Response> {
  readonly #options: MemberStreamOptions<Request, Response>;
  #now: { readonly stream: EtcdStream<Request, Response>; readonly stub: EtcdStub } | null = null;
  #opening = false;
  #closed = false;

  constructor(options: MemberStreamOptions<Request, Response>) {
    this.#options = options;
  }

  get isOpen(): boolean {
    return this.#now !== null;
  }

  async open(): Promise<void> {
    const { client, open, received, ended } = this.#options;
    if (this.#opening) return;
    this.#opening = true;
    try {
      const now = await client.openStream(open);
      const { stream } = now;
      stream.on('data', (response) => {
        if (this.#now === now) received(response);
      });
      const over = (): void => {
        if (this.#now !== now) return;
        this.giveUp();
        ended();
      };
      stream.on('end', over);
      stream.on('error', over);
      this.#now = now;
      if (this.#closed) this.cancel();
    } catch {
      ended();
    } finally {
      this.#opening = false;
    }
  }

  write(request: Request): void {
    this.#now?.stream.write(request);
  }

  /** This member is no use. */
  giveUp(): void {
    if (this.#now !== null) this.#options.client.moveOn(this.#now.stub);
    this.cancel();
  }

  cancel(): void {
    const now = this.#now;
    if (now === null) return;
    this.#now = null;
    now.stream.cancel();
    this.#options.client.release(now.stub);
  }

  close(): void {
    this.#closed = true;
    this.cancel();
  }
}

/**
 * As what a command says hello: as an operator, and where a node denies that, as a viewer, who may
 * look. What a viewer may not do, the node refuses.
 */
import type { PeerRole } from '../../core/messages.ts';
import type { Link } from '../../peer/link.ts';
import { VerdictError } from '../../peer/verdict-error.ts';

export class AskedRole {
  #role: PeerRole = 'operator';
  #denied: VerdictError | null = null;
  /** Each asks twice at most: whoever is denied both roles is denied. */
  readonly #asked = new WeakSet<Link>();
  readonly #again = new WeakSet<Link>();

  get roles(): PeerRole[] {
    return [this.#role];
  }

  /** Null: it is asked again. Else what to tell: of both refusals the first. */
  refused(link: Link, error: VerdictError): VerdictError | null {
    if (error.code !== 'FORBIDDEN') return error;
    this.#denied ??= error;
    if (this.#asked.has(link)) return this.#denied;
    this.#asked.add(link);
    this.#again.add(link);
    this.#role = 'viewer';
    return null;
  }

  /** What a node refuses to a viewer, with why it is one; else the error itself. */
  explained(error: VerdictError, asked: string): VerdictError {
    if (error.code !== 'FORBIDDEN' || this.#denied === null || this.#role !== 'viewer')
      return error;
    const why = this.#denied.message.replace(/^hello is refused: /, '');
    const text = `${asked} needs the role operator, and a viewer only looks: ${why}`;
    return new VerdictError('FORBIDDEN', text, { retryable: false, acted: 'nothing' });
  }

  /** Whether that was the end of a connection which is asked again now. */
  failed(link: Link): boolean {
    if (!this.#again.delete(link)) return false;
    link.retryNow();
    return true;
  }
}

/**
 * A node's certificate and key: read, looked at again every few seconds, and put in use when they
 * have changed. What is broken is not put in use: the ones before stay.
 *
 * They are looked at by what is in them, not watched: Kubernetes swaps a link to a whole directory,
 * of which the system tells a watcher of the files nothing.
 */
import type * as Tls from 'node:tls';
import type { Clock, Timer } from '../../ports/clock.ts';
import { instantMs, instantText } from '../../system/instant.ts';
import { certificateIn, secureOptions, TlsError } from './pem.ts';

/** PEM. */
export interface ServerPem {
  readonly cert: string;
  readonly key: string;
  /** Who signs the peers' certificates. */
  readonly clientCa?: string | undefined;
}

export interface AcceptorTls {
  /** Called every few seconds. Throws what is wrong. */
  readonly read: () => ServerPem;
  /** `required`: whoever shows none is refused at the upgrade; health checks need none. */
  readonly clientAuth: 'none' | 'optional' | 'required';
  /** Given a function that has them read at once. */
  readonly onReread?: (reread: () => void) => void;
  /** What is in use from now on. */
  readonly taken?: (pem: ServerPem) => void;
  /** Another certificate is in use than before. */
  readonly changed?: (certificate: { readonly serial: string; readonly notAfter: string }) => void;
  readonly log?: (level: 'info' | 'warn' | 'error', text: string) => void;
}

const lookMs = 5_000;
const dayMs = 86_400_000;
const soonMs = 14 * dayMs;

export class ServerCredentials {
  readonly #tls: AcceptorTls;
  readonly #clock: Clock;
  #timer: Timer | null = null;
  #pem: ServerPem | null = null;
  #expiresAtMs = 0;
  #problem: string | null = null;
  /** What was last said of the end of the certificate. */
  #said: { readonly level: 'warn' | 'error'; readonly atMs: number } | null = null;

  constructor(tls: AcceptorTls, clock: Clock) {
    this.#tls = tls;
    this.#clock = clock;
  }

  /** Throws a TlsError for what cannot be used. */
  first(): Tls.SecureContextOptions {
    const pem = this.#tls.read();
    const options = this.#optionsOf(pem);
    this.#take(pem);
    return options;
  }

  /** `use`: puts the new ones in use for connections from then on. */
  watch(use: (options: Tls.SecureContextOptions) => void): void {
    const look = (): void => {
      this.#look(use);
      this.#timer = this.#clock.setTimer(lookMs, look);
    };
    this.#timer = this.#clock.setTimer(lookMs, look);
    this.#tls.onReread?.(() => {
      if (this.#timer !== null) this.#look(use);
    });
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #look(use: (options: Tls.SecureContextOptions) => void): void {
    try {
      const pem = this.#tls.read();
      if (!isSame(pem, this.#pem)) {
        use(this.#optionsOf(pem));
        this.#take(pem);
        this.#log('info', 'The new TLS certificate is in use.');
        const { serialNumber } = certificateIn({ option: '--tls-cert', pem: pem.cert });
        this.#tls.changed?.({ serial: serialNumber, notAfter: instantText(this.#expiresAtMs) });
      }
      this.#problem = null;
    } catch (error) {
      const { message } = error as Error;
      if (message !== this.#problem) {
        this.#log(
          'error',
          `The TLS files have changed and cannot be used; the ones before stay in use. ${message}`,
        );
      }
      this.#problem = message;
    }
    this.#warn();
  }

  #take(pem: ServerPem): void {
    this.#pem = pem;
    this.#expiresAtMs = instantMs(certificateIn({ option: '--tls-cert', pem: pem.cert }).validTo);
    this.#said = null;
    this.#tls.taken?.(pem);
    this.#warn();
  }

  #optionsOf({ cert, key, clientCa }: ServerPem): Tls.SecureContextOptions {
    const { clientAuth } = this.#tls;
    // Without one, everyone with a certificate from any public authority would be let in.
    if (clientAuth !== 'none' && clientCa === undefined) {
      throw new TlsError(
        'Client certificates need the authority that signs them: give it as --tls-client-ca.',
      );
    }
    return secureOptions({
      cert: { option: '--tls-cert', pem: cert },
      key: { option: '--tls-key', pem: key },
      ca: clientCa === undefined ? undefined : { option: '--tls-client-ca', pem: clientCa },
    });
  }

  /** Once, and again each day. */
  #warn(): void {
    const leftMs = this.#expiresAtMs - this.#clock.wallMs();
    if (leftMs > soonMs) return;
    const level = leftMs > 0 ? 'warn' : 'error';
    const nowMs = this.#clock.monotonicMs();
    if (this.#said?.level === level && nowMs - this.#said.atMs < dayMs) return;
    this.#said = { level, atMs: nowMs };
    const end = instantText(this.#expiresAtMs);
    const what = leftMs > 0 ? `ends at ${end}` : `ended at ${end}, and peers refuse it`;
    this.#log(
      level,
      `The TLS certificate ${what}. Put a new one in place of the files of --tls-cert and --tls-key: the node takes it up by itself.`,
    );
  }

  #log(level: 'info' | 'warn' | 'error', text: string): void {
    this.#tls.log?.(level, text);
  }
}

function isSame(one: ServerPem, other: ServerPem | null): boolean {
  return one.cert === other?.cert && one.key === other.key && one.clientCa === other.clientCa;
}

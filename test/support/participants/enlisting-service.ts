/** A service in this process that enlists itself, and says what it was called for. */
import type { Txid } from '../../../src/core/txid.ts';
import { type ParticipantHandle, serveParticipant, vote } from '../../../src/participant.ts';
import type { Dialer } from '../../../src/ports/transport.ts';
import type { TlsFiles } from '../network/security.ts';
import { eventually } from '../process/child.ts';

export interface EnlistingServiceSettings {
  /** Its journal lies there. */
  readonly data: string;
  readonly lockLimitMs: number;
  readonly urls: readonly string[];
  readonly dialer?: Dialer;
  readonly tls?: TlsFiles;
}

export class EnlistingService {
  /** `rollback TXID` and the like, in order. */
  readonly calls: string[] = [];
  #participant: ParticipantHandle | null = null;

  static async started(settings: EnlistingServiceSettings): Promise<EnlistingService> {
    const service = new EnlistingService();
    service.#participant = await serveParticipant({
      name: 'service',
      urls: settings.urls,
      dataDirectory: settings.data,
      options: { lockLimitMs: settings.lockLimitMs, retryDelayMs: 20, maxRetryDelayMs: 200 },
      ...(settings.dialer === undefined ? {} : { dialer: settings.dialer }),
      ...(settings.tls === undefined ? {} : { tls: settings.tls }),
      prepare: async ({ txid }) => {
        service.calls.push(`prepare ${txid}`);
        return vote.commit();
      },
      commit: async ({ txid }) => void service.calls.push(`commit ${txid}`),
      rollback: async ({ txid }) => void service.calls.push(`rollback ${txid}`),
      inDoubt: async () => [],
    });
    return service;
  }

  async enlist(txid: string): Promise<void> {
    await this.#participant?.enlist(txid as Txid, { timeoutMs: 20_000 });
  }

  async rolledBack(txid: string): Promise<void> {
    await eventually(
      () => (this.calls.includes(`rollback ${txid}`) ? true : null),
      () => `${txid} to be rolled back`,
    );
  }

  async close(): Promise<void> {
    await this.#participant?.close({ timeoutMs: 1_000 });
  }
}

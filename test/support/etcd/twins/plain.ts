/**
 * Answers of one etcd so that they can be compared with another's: revisions from the start, leases
 * by their order.
 */
import type { IEvent, IResponseHeader, IWatchResponse } from 'etcd3';
import { EtcdPermissionDeniedError, GRPCResourceExhastedError } from 'etcd3';
import type { KeyValue, OpResult, TxnResult } from '../../../../src/decision-log/etcd/requests.ts';

export interface PlainTxn {
  readonly succeeded: boolean;
  readonly revision: number;
  readonly responses: readonly unknown[];
}

export class Plain {
  /** The revision at which the comparison began. */
  readonly start: number;
  readonly #prefix: string;
  readonly #leases: () => readonly string[];

  constructor(start: number, prefix: string, leases: () => readonly string[]) {
    this.start = start;
    this.#prefix = prefix;
    this.#leases = leases;
  }

  txn({ succeeded, header, responses }: TxnResult): PlainTxn {
    return {
      succeeded,
      revision: this.revision(header),
      responses: responses.map((response) => this.#response(response)),
    };
  }

  revision(header: Pick<IResponseHeader, 'revision'>): number {
    return this.#relative(header.revision);
  }

  /** What the log tells apart: a member that says no for all of them, and any other. */
  refusal(error: unknown): unknown {
    // Etcd3 adds words of its own to one of them.
    const said = /etcdserver: .*?(?= is expired or revoked|$)/.exec(
      error instanceof Error ? error.message : '',
    );
    if (said === null) throw error;
    const everywhere =
      error instanceof GRPCResourceExhastedError || error instanceof EtcdPermissionDeniedError;
    return { refused: said[0], everywhere };
  }

  /** By watch: how they were put together into responses is chance. */
  told(responses: readonly IWatchResponse[]): Readonly<Record<string, readonly unknown[]>> {
    const told: Record<string, unknown[]> = {};
    for (const { watch_id: id, created, canceled, events } of responses) {
      told[id] ??= [];
      if (created || canceled) told[id].push({ created, canceled });
      told[id].push(...events.map((event) => this.#event(event)));
    }
    return told;
  }

  #event({ type, kv, prev_kv: before }: IEvent): unknown {
    return { type, before, ...this.#keyValue(kv) };
  }

  #response(response: OpResult): unknown {
    const { response_range: range, response_put: put } = response;
    const { response_delete_range: removed, response_txn: txn } = response;
    if (range) {
      const { kvs, more, count, header } = range;
      const revision = this.revision(header);
      return { kvs: kvs.map((kv) => this.#keyValue(kv)), more, count, revision };
    }
    if (put) return { put: this.revision(put.header), before: put.prev_kv };
    if (removed) {
      const { deleted, header, prev_kvs: before } = removed;
      return { deleted, before, revision: this.revision(header) };
    }
    return this.txn(txn);
  }

  #keyValue(kv: KeyValue): Record<string, unknown> {
    return {
      key: kv.key.toString().slice(this.#prefix.length),
      value: kv.value.toString('latin1'),
      created: this.#relative(kv.create_revision),
      changed: this.#relative(kv.mod_revision),
      version: kv.version,
      lease: this.#leases().indexOf(kv.lease),
    };
  }

  /** 0 stands for none. */
  #relative(revision: string): number {
    return revision === '0' ? Number.NaN : Number(revision) - this.start;
  }
}

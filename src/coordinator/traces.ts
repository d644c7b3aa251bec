/**
 * The spans of one leadership: made here, of what goes into the core and what comes out of it. The
 * core carries the trace of a transaction as data and knows nothing of spans.
 *
 *     verdict coordinate            from the request to the decision
 *       verdict prepare             of a branch: from each sending to its vote
 *       verdict log                 the record's way into the decision log
 *       verdict commit, rollback    of a branch: from each sending to its acknowledgement
 *
 * What is sent carries its own span, so that a participant's work hangs below it. Where no span is
 * recorded here, messages carry what the client sent: the others' spans still find each other. So
 * it is with a transaction of an earlier leader, of which the record kept the client's.
 */
import type { Ack, FromNode, VoteMessage } from '../core/messages.ts';
import type { Sender, TermEvent, TermRequest, TraceEvent } from '../core/term/events.ts';
import { isSampled, type TraceContext } from '../core/trace-context.ts';
import { shardOf, type Txid } from '../core/txid.ts';
import { type Context, quietly, type Span, type Tracing, tracing } from '../tracing/tracing.ts';

interface Traced {
  readonly tracing: Tracing;
  /** Null: an earlier leader's, or ended. */
  span: Span | null;
  readonly context: Context;
  /** Messages that are not answered yet, by branch. */
  readonly sent: Map<string, Sent>;
}

interface Sent {
  readonly span: Span;
  readonly connection: number;
}

interface Starting {
  readonly tracing: Tracing;
  readonly span: Span;
  readonly connection: number;
  readonly id: number;
}

export interface TracesOptions {
  readonly node: string;
  /** `internal`: whoever asks is in the same process. */
  readonly kind: 'server' | 'internal';
}

/** A write to the log. */
export interface TracedWrite {
  end(error?: unknown): void;
}

export class Traces {
  readonly #given: TracesOptions;
  readonly #open = new Map<Txid, Traced>();
  readonly #participants = new Map<number, string>();
  /** The request that is stepped now, until the core says of which transaction it is. */
  #starting: Starting | null = null;

  constructor(given: TracesOptions) {
    this.#given = given;
  }

  /** Before the step. Returns the event to step. */
  stepping(event: TermEvent): TermEvent {
    switch (event.type) {
      case 'participant-connected':
        this.#participants.set(event.connection, event.participant);
        return event;
      case 'participant-lost':
        this.#participants.delete(event.connection);
        if (this.#open.size > 0) quietly(() => this.#disconnected(event.connection));
        return event;
      case 'message': {
        const { message, from } = event;
        if (message.type === 'vote' || message.type === 'ack') {
          if (this.#open.size > 0) quietly(() => this.#answered(message));
        } else if (message.type === 'transact' || message.type === 'begin') {
          const spans = tracing();
          if (spans === null) return event;
          const begins = quietly(() => this.#begins(spans, message, from)) ?? message;
          return begins === message ? event : { ...event, message: begins };
        }
      }
    }
    return event;
  }

  /** Its effects are carried out. */
  stepped(): void {
    // Refused, or it joined one that runs, or is answered from memory.
    const starting = this.#starting;
    if (starting === null) return;
    this.#starting = null;
    quietly(() => starting.span.end());
  }

  #begins<Message extends Extract<TermRequest, { type: 'transact' | 'begin' }>>(
    spans: Tracing,
    message: Message,
    { connection }: Sender,
  ): Message {
    const { node, kind } = this.#given;
    const { id, type } = message;
    const span = spans.startSpan({
      name: 'verdict coordinate',
      kind,
      parent: spans.remoteContext(message),
      attributes: { 'verdict.node': node, 'verdict.request': type },
    });
    if (span.isRecording()) this.#starting = { tracing: spans, span, connection, id };
    // What the client sent outlives this leader, whose span may never end.
    return message.traceparent === undefined
      ? { ...message, ...spans.traceFieldsOf(span) }
      : message;
  }

  /** The core tells of a transaction that belongs to a trace. */
  told(txid: Txid, event: TraceEvent): void {
    quietly(() => this.#told(txid, event));
  }

  #told(txid: Txid, event: TraceEvent): void {
    if (event.type === 'begun') {
      const starting = this.#starting;
      this.#starting = null;
      if (starting === null) return;
      const { tracing, span } = starting;
      span.setAttributes({ 'verdict.txid': txid, 'verdict.shard': shardOf(txid) });
      this.#open.set(txid, { tracing, span, context: tracing.contextOf(span), sent: new Map() });
      return;
    }
    const traced = this.#open.get(txid);
    if (traced === undefined) return;
    const { tracing, span } = traced;
    switch (event.type) {
      case 'joined':
        if (span !== null) tracing.link(span, event.trace);
        return;
      case 'decided': {
        const { outcome, branches, readonly, code } = event;
        span?.setAttributes({
          'verdict.outcome': outcome,
          'verdict.branches': branches,
          ...(readonly ? { 'verdict.readonly': true } : {}),
          ...(code === undefined ? {} : { 'verdict.abort.code': code }),
        });
        span?.end();
        traced.span = null;
        // Prepares that are not waited for any more. What ends them was told before.
        for (const prepare of traced.sent.values()) prepare.span.end();
        traced.sent.clear();
        return;
      }
      case 'settled':
        for (const sent of traced.sent.values()) sent.span.end();
        this.#open.delete(txid);
    }
  }

  /** What is to be sent, with the trace that is its own. */
  sending(connection: number, message: FromNode): FromNode {
    switch (message.type) {
      case 'prepare':
      case 'commit':
      case 'rollback':
        if (message.traceparent === undefined) return message;
        return quietly(() => this.#sends(connection, message)) ?? message;
      case 'error': {
        const starting = this.#starting;
        if (starting?.connection === connection && starting.id === message.id) {
          quietly(() => starting.tracing.fail(starting.span, message.code));
        }
      }
    }
    return message;
  }

  #sends<Message extends Extract<FromNode, { type: 'prepare' | 'commit' | 'rollback' }>>(
    connection: number,
    message: Message,
  ): Message {
    const { txid, branch, type } = message;
    const traced = this.#open.get(txid) ?? this.#earlier(txid, message);
    if (traced === null) return message;
    const { tracing, context, sent } = traced;
    const before = sent.get(branch);
    if (before !== undefined) {
      tracing.fail(before.span, 'UNANSWERED');
      before.span.end();
    }
    const participant = this.#participants.get(connection);
    const span = tracing.startSpan({
      name: `verdict ${type}`,
      kind: this.#given.kind === 'server' ? 'client' : 'internal',
      parent: context,
      attributes: {
        'verdict.txid': txid,
        'verdict.branch': branch,
        ...(participant === undefined ? {} : { 'verdict.participant': participant }),
      },
    });
    sent.set(branch, { span, connection });
    const { traceparent: _, tracestate: __, ...rest } = message;
    return { ...rest, ...tracing.traceFieldsOf(span) } as Message;
  }

  /** Of an earlier leader: its commits go on in the trace that the record kept. */
  #earlier(txid: Txid, message: Partial<TraceContext> & { readonly type: string }): Traced | null {
    const { traceparent, type } = message;
    if (type === 'prepare' || traceparent === undefined || !isSampled(traceparent)) return null;
    const spans = tracing();
    if (spans === null) return null;
    const context = spans.remoteContext(message);
    const traced: Traced = { tracing: spans, span: null, context, sent: new Map() };
    this.#open.set(txid, traced);
    return traced;
  }

  #answered(message: VoteMessage | Ack): void {
    const traced = this.#open.get(message.txid);
    const sent = traced?.sent.get(message.branch);
    if (traced === undefined || sent === undefined) return;
    const { span } = sent;
    traced.sent.delete(message.branch);
    if (message.type === 'vote') span.setAttribute('verdict.vote', message.vote);
    else if (!message.ok) traced.tracing.fail(span, message.error?.code ?? 'INTERNAL');
    span.end();
  }

  /** What it does not answer any more is sent again. */
  #disconnected(connection: number): void {
    for (const { tracing, sent } of this.#open.values()) {
      for (const [branch, one] of sent) {
        if (one.connection !== connection) continue;
        tracing.fail(one.span, 'CONNECTION_LOST');
        one.span.end();
        sent.delete(branch);
      }
    }
  }

  /** Null where no span is recorded of it. */
  writing(txid: Txid): TracedWrite | null {
    const traced = this.#open.get(txid);
    if (traced === undefined) return null;
    const { tracing, context } = traced;
    const attributes = { 'verdict.txid': txid };
    const options = { name: 'verdict log', kind: 'internal', parent: context, attributes } as const;
    const span = quietly(() => tracing.startSpan(options));
    if (span === undefined) return null;
    const end = (error?: unknown): void => {
      if (error !== undefined) tracing.fail(span, error);
      span.end();
    };
    return { end: (error) => quietly(() => end(error)) };
  }

  /** The leadership is over: what is under way ends for another to go on with. */
  lost(): void {
    if (this.#open.size > 0) quietly(() => this.#lost());
  }

  #lost(): void {
    for (const { tracing, span, sent } of this.#open.values()) {
      const spans = [...sent.values()].map((each) => each.span);
      for (const open of span === null ? spans : [span, ...spans]) {
        tracing.fail(open, 'LEADERSHIP_LOST');
        open.end();
      }
    }
    this.#open.clear();
  }
}

/** `--metrics`: whether the metrics of a run explain each dip that its clients saw. */
import type { Registry } from 'prom-client';
import type { RecordedCall } from '../../support/clients/history.ts';
import type { NodeProcess } from '../../support/nodes/node-process.ts';
import type { Asked } from '../replicas.ts';
import { byChance, dipsIn, explained, type Seen, shares, signalText, slumpsIn } from './dips.ts';
import { Scraper } from './scraper.ts';

/** Aborts that the load asks for, or brings about by itself. */
const ofTheLoad: ReadonlySet<string> = new Set([
  'VOTED_ABORT',
  'ROLLED_BACK',
  'DEADLOCK',
  'LOCK_TIMEOUT',
  'CONFLICT',
]);
const pollMs = 25;
const warmUpMs = 2_000;
const maxListed = 200;

export interface Loads {
  readonly calls: readonly RecordedCall[];
  readonly moves: readonly Asked[];
  readonly orders: readonly { readonly outcome: string }[];
}

export class MetricsWatch {
  readonly #scraper = new Scraper();
  readonly #seen = { transfers: [] as Seen[], moves: [] as Seen[], orders: [] as Seen[] };
  readonly #loads: Loads;
  #timer: ReturnType<typeof setInterval> | null = null;
  #fromMs = 0;

  constructor(loads: Loads) {
    this.#loads = loads;
  }

  start(nodes: readonly NodeProcess[], clients: Registry): void {
    this.#scraper.start(nodes, clients);
    this.#fromMs = performance.now() + warmUpMs;
    this.#timer = setInterval(() => this.#poll(), pollMs);
  }

  #poll(): void {
    const endedMs = performance.now();
    const { calls, moves, orders } = this.#loads;
    for (const { ended, code, tookMs = 0 } of calls.slice(this.#seen.transfers.length)) {
      const isApp = ended === 'fail' && code !== null && ofTheLoad.has(code);
      const as = ended === 'ok' ? 'committed' : isApp ? 'app' : 'failed';
      this.#seen.transfers.push({ endedMs, tookMs, ended: as, code });
    }
    for (const { outcome, tookMs } of moves.slice(this.#seen.moves.length)) {
      const code = outcome?.outcome === 'aborted' ? outcome.reason.code : null;
      const isApp = code !== null && ofTheLoad.has(code);
      const as = outcome?.outcome === 'committed' ? 'committed' : isApp ? 'app' : 'failed';
      this.#seen.moves.push({ endedMs, tookMs, ended: as, code });
    }
    // Orders are sent again until they are answered: of their failures the services tell.
    for (const { outcome } of orders.slice(this.#seen.orders.length)) {
      const as = outcome === 'committed' ? 'committed' : 'app';
      this.#seen.orders.push({ endedMs, tookMs: 0, ended: as, code: null });
    }
  }

  /** Prints each dip with what explains it; the dips that nothing explains. */
  async report(seconds: (ms: number) => string): Promise<string[]> {
    const toMs = performance.now();
    if (this.#timer !== null) clearInterval(this.#timer);
    await this.#scraper.stop();
    const span = { fromMs: this.#fromMs, toMs };
    const inSpan = (each: readonly Seen[]): Seen[] =>
      each.filter(({ endedMs }) => endedMs >= span.fromMs && endedMs <= toMs);
    const seen = inSpan(Object.values(this.#seen).flat());
    const { signals } = this.#scraper;
    // One load may stand still while the others go on: each is looked at for itself as well.
    const dips = [
      ...dipsIn(seen, span),
      ...Object.entries(this.#seen).flatMap(([load, each]) =>
        slumpsIn(inSpan(each), span).map((dip) => ({ ...dip, what: `${load}: ${dip.what}` })),
      ),
    ].sort((one, other) => one.fromMs - other.fromMs);
    const all = explained(dips, signals);
    const without = all.filter((dip) => dip.signals.length === 0);
    console.log(
      `\nMetrics: ${this.#scraper.count} scrapes. Clients saw ${seen.length} calls end, and ${all.length} dips, ${without.length} of which no metric explains.`,
    );
    console.log(
      `Put at other moments of the run, ${percent(byChance(all, signals, span))} of them would be explained by chance.`,
    );
    const parts = shares(all, signals, span);
    const outside = new Map(parts.map((each) => [each.metric, each.outside]));
    for (const dip of all.slice(0, maxListed)) {
      const by = dip.signals.length === 0 ? 'NOTHING' : signalText(dip.signals, outside);
      console.log(`  ${seconds(dip.fromMs)}  ${dip.what}: ${by}`);
    }
    if (all.length > maxListed) console.log(`  and ${all.length - maxListed} more.`);
    console.log('\nShare of seconds in which a metric moved, in dips and outside:');
    for (const { metric, inDips, outside } of parts) {
      console.log(`  ${metric}: ${percent(inDips)} and ${percent(outside)}`);
    }
    return without.map(({ what, fromMs }) => `${seconds(fromMs)}: ${what}, and no metric says why`);
  }
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

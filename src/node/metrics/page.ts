/**
 * The page for Prometheus. One for all who ask: what took long to make is given again for a while,
 * so that however many ask, it takes a small part of the node's time.
 */
import { collectDefaultMetrics, Registry } from 'prom-client';
import { registerMetrics } from '../../peer/pulled-metric.ts';
import type { Clock } from '../../ports/clock.ts';
import type { NodeFigures } from '../figures-of.ts';
import { nodeMetrics } from './metrics.ts';

export interface Page {
  readonly contentType: string;
  readonly text: string;
}

/** So many times as long as it took to make it is kept, and no longer than that. */
const keepFactor = 20;
const maxKeepMs = 1_000;

export class MetricsPage {
  readonly #registry = new Registry();
  readonly #clock: Clock;
  readonly #figures: () => NodeFigures;
  #now: NodeFigures | null = null;
  #making: Promise<Page> | null = null;
  #kept: { readonly page: Page; readonly untilMs: number } | null = null;

  constructor(clock: Clock, figures: () => NodeFigures) {
    this.#clock = clock;
    this.#figures = figures;
    registerMetrics(this.#registry, nodeMetrics, () => this.#now ?? figures());
    collectDefaultMetrics({ register: this.#registry });
  }

  get(): Promise<Page> {
    if (this.#kept !== null && this.#clock.monotonicMs() < this.#kept.untilMs) {
      return Promise.resolve(this.#kept.page);
    }
    this.#making ??= this.#make().finally(() => {
      this.#making = null;
    });
    return this.#making;
  }

  async #make(): Promise<Page> {
    const startMs = this.#clock.monotonicMs();
    // All metrics of one page are of one moment.
    this.#now = this.#figures();
    const text = await this.#registry.metrics();
    this.#now = null;
    const page = { contentType: this.#registry.contentType, text };
    const endMs = this.#clock.monotonicMs();
    const keepMs = Math.min(maxKeepMs, (endMs - startMs) * keepFactor);
    this.#kept = { page, untilMs: endMs + keepMs };
    return page;
  }
}

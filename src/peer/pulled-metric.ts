/**
 * Metrics in the shape that `prom-client` takes (`registry.registerMetric`), without a dependency
 * on it: their values are looked up when the registry is read, so nothing is counted twice.
 */
import type { HistogramReading } from '../core/figures.ts';
import type { MetricRegistry } from './metric-registry.ts';

export type MetricLabels = Readonly<Record<string, string>>;

export interface MetricSample {
  readonly labels: MetricLabels;
  readonly value: number;
  /** Of a histogram: `..._bucket`, `..._sum` or `..._count`. */
  readonly metricName?: string;
}

/** What is known of a metric before there is a value. */
export interface MetricAbout {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** One sentence. */
  readonly help: string;
  /** The names of its labels; `le` of a histogram is not among them. */
  readonly labels: readonly string[];
}

export interface Metric<Source> extends MetricAbout {
  readonly samples: (source: Source) => readonly MetricSample[];
}

interface Shown extends Omit<MetricAbout, 'labels'> {
  readonly values: readonly MetricSample[];
  readonly aggregator: 'sum';
}

function isPulled<Source>(metric: unknown): metric is PulledMetric<Source> {
  return typeof metric === 'object' && metric !== null && 'verdict' in metric;
}

/** What a registry keeps and asks. Several sources may share one: each has labels of its own. */
export class PulledMetric<Source> {
  /** By which another copy of this package knows it: an application may load two. */
  readonly verdict = 'pulled-metric';
  readonly name: string;
  readonly help: string;
  readonly type: MetricAbout['type'];
  /** Over the processes of a Node cluster. */
  readonly aggregator = 'sum';
  readonly #metric: Metric<Source>;
  readonly #sources = new Set<() => Source>();

  constructor(metric: Metric<Source>) {
    this.name = metric.name;
    this.help = metric.help;
    this.type = metric.type;
    this.#metric = metric;
  }

  get size(): number {
    return this.#sources.size;
  }

  add(source: () => Source): void {
    this.#sources.add(source);
  }

  remove(source: () => Source): void {
    this.#sources.delete(source);
  }

  async get(): Promise<Shown> {
    const { name, help, type, aggregator } = this;
    const all = [...this.#sources].map((source) => this.#metric.samples(source()));
    return { name, help, type, aggregator, values: together(all) };
  }

  /** Counters count since the start of what they are of: they cannot be set back. */
  reset(): void {}
}

/** Prometheus takes no two samples of the same labels: what has the same is added up. */
function together(all: readonly (readonly MetricSample[])[]): readonly MetricSample[] {
  const [first = [], ...others] = all;
  if (others.length === 0) return first;
  const byLabels = new Map<string, MetricSample>();
  for (const sample of all.flat()) {
    const key = JSON.stringify([sample.metricName, sample.labels]);
    const before = byLabels.get(key)?.value ?? 0;
    byLabels.set(key, { ...sample, value: before + sample.value });
  }
  return [...byLabels.values()];
}

/**
 * Adds a source to each metric, which is registered where it is not yet. Returns what takes them
 * away again.
 */
export function registerMetrics<Source>(
  registry: MetricRegistry,
  metrics: readonly Metric<Source>[],
  source: () => Source,
): () => void {
  const added: PulledMetric<Source>[] = [];
  for (const metric of metrics) {
    const known: unknown = registry.getSingleMetric(metric.name);
    const pulled = isPulled<Source>(known) ? known : new PulledMetric(metric);
    if (pulled !== known) registry.registerMetric(pulled);
    pulled.add(source);
    added.push(pulled);
  }
  return () => {
    for (const pulled of added) {
      pulled.remove(source);
      const isOurs = registry.getSingleMetric(pulled.name) === pulled;
      if (pulled.size === 0 && isOurs) registry.removeSingleMetric(pulled.name);
    }
  };
}

export function one(value: number, labels: MetricLabels = {}): readonly MetricSample[] {
  return [{ labels, value }];
}

export function each(
  label: string,
  values: Readonly<Record<string, number>>,
): readonly MetricSample[] {
  return Object.entries(values).map(([name, value]) => ({ labels: { [label]: name }, value }));
}

/** Cumulative, as Prometheus has them. `unit`: what a reading is divided by: 1,000 for seconds. */
export function histogram(
  name: string,
  { counts, count, sumMs }: HistogramReading,
  given: {
    readonly bounds: readonly number[];
    readonly unit: number;
    readonly labels?: MetricLabels;
  },
): readonly MetricSample[] {
  const { bounds, unit, labels = {} } = given;
  let below = 0;
  const buckets = bounds.map((bound, at): MetricSample => {
    below += counts[at] ?? 0;
    const le = String(bound / unit);
    return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: below };
  });
  return [
    ...buckets,
    { metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: count },
    { metricName: `${name}_sum`, labels, value: sumMs / unit },
    { metricName: `${name}_count`, labels, value: count },
  ];
}

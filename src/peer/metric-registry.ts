/**
 * What of a registry of `prom-client` is used: it is the application's, and nothing here depends on
 * the package.
 */
export interface MetricRegistry {
  /** Takes a metric in. */
  // biome-ignore lint/suspicious/noExplicitAny: the registry's own type is that of its metrics
  registerMetric(metric: any): void;
  /** The metric of that name, if there is one. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  getSingleMetric(name: string): any;
  /** Takes a metric away again. */
  removeSingleMetric(name: string): void;
}

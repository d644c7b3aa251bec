/**
 * What every part of the bench brings: tables, charts, and its targets with what was measured. The
 * report, the JSON and docs/PERFORMANCE.md are made of these alone.
 */

export interface Section {
  /** On the command line: `npm run bench -- --only throughput,memory`. */
  readonly name: string;
  readonly title: string;
  /** What is measured and how, for the page: one paragraph. */
  readonly about: string;
  run(given: SectionGiven): Promise<Findings>;
}

export interface SectionGiven {
  /** Of one measurement. */
  readonly durationMs: number;
  /** Measurements of each, in turns with their base line; the median counts. */
  readonly rounds: number;
  /** Smaller numbers of everything, to see that it works: its figures say little. */
  readonly quick: boolean;
  /** How long the section that looks for growth over time takes. */
  readonly soakMs: number;
  /** How many leaders the section on failover kills. */
  readonly kills: number;
  /** A folder of the section's own, removed afterwards. */
  readonly directory: string;
  /** Said while it runs; '' for nothing. */
  readonly progress: (text: string) => void;
}

export interface Findings {
  readonly tables: readonly Table[];
  readonly charts: readonly Chart[];
  readonly targets: readonly Target[];
}

export interface Table {
  readonly title: string;
  /** With their units: `p50 ms`. */
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number | null)[])[];
}

export interface Chart {
  /** Of its file, docs/bench/NAME.svg. */
  readonly name: string;
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly lines: readonly { readonly name: string; readonly points: readonly Point[] }[];
}

export interface Axis {
  /** With its unit. */
  readonly title: string;
  readonly scale: 'linear' | 'logarithmic';
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Target {
  readonly what: string;
  /** As it is read: `>= 70 % of the skeleton at 256 in flight`. */
  readonly aim: string;
  readonly measured: string;
  readonly met: boolean;
}

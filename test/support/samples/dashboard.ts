/** The Grafana dashboard, as tests look at it. */
import { readFileSync } from 'node:fs';

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: {
    readonly h: number;
    readonly w: number;
    readonly x: number;
    readonly y: number;
  };
  readonly targets?: readonly { readonly refId: string; readonly expr: string }[];
}

export interface Dashboard {
  readonly title: string;
  readonly uid: string;
  readonly schemaVersion: number;
  readonly panels: readonly Panel[];
}

const path = new URL('../../../cluster/monitoring/dashboard.json', import.meta.url);
export const dashboard: Dashboard = JSON.parse(readFileSync(path, 'utf8'));

/** Every query, with what Grafana would put in. */
export function dashboardQueries(given: {
  readonly job: string;
  readonly interval: string;
}): readonly { readonly title: string; readonly expr: string }[] {
  return dashboard.panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({
      title,
      expr: expr.replaceAll('$job', given.job).replaceAll('$__rate_interval', given.interval),
    })),
  );
}

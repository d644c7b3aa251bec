/** What the services are told, and what they are asked to do with it. */
import type { PrepareSql } from 'verdict/postgresql';

export interface Take {
  readonly sku: string;
  readonly quantity: number;
}

export interface Pay {
  readonly account: string;
  readonly cents: number;
}

/** A service's work in one ORM. */
export interface Services {
  /** On PostgreSQL. */
  readonly stock: PrepareSql<Take, void>;
  /** On MariaDB. */
  readonly payment: PrepareSql<Pay, void>;
}

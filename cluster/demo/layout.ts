/** What is where in the demo's directory. */
import { join } from 'node:path';

export interface Layout {
  readonly directory: string;
  /** What was submitted, and what was answered: one a line. */
  readonly orders: string;
  readonly answers: string;
  readonly decisionLog: string;
  /** Of a run on a cluster: etcd's data and the nodes', and what of it the reconciliation needs. */
  readonly cluster: string;
  readonly outcomes: string;
  readonly shop: string;
  /** What the processes printed. */
  readonly nodeLog: string;
  readonly shopLog: string;
  readonly submitLog: string;
}

export function layoutOf(directory: string): Layout {
  return {
    directory,
    orders: join(directory, 'orders.jsonl'),
    answers: join(directory, 'answers.jsonl'),
    decisionLog: join(directory, 'decision-log'),
    cluster: join(directory, 'cluster'),
    outcomes: join(directory, 'outcomes.json'),
    shop: join(directory, 'shop'),
    nodeLog: join(directory, 'node.log'),
    shopLog: join(directory, 'shop.log'),
    submitLog: join(directory, 'submit.log'),
  };
}

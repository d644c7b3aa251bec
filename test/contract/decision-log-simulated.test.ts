import { simulatedFixture } from '../support/logs/log-fixtures.ts';
import { decisionLogContract } from './decision-log.ts';

decisionLogContract('etcd, simulated', simulatedFixture, { severalNodes: true, flushes: true });

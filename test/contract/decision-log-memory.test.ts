import { memoryFixture } from '../support/logs/log-fixtures.ts';
import { decisionLogContract } from './decision-log.ts';

decisionLogContract('memory', memoryFixture, { severalNodes: true, flushes: false });

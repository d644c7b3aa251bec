/** What reads the messages that a client is sent, and no others. */
import { toClient } from './shapes/client.ts';
import { toAnyone } from './shapes/greeting.ts';
import { type Readers, readersOf } from './validate.ts';

export const clientReaders: Readers<'from-node'> = readersOf('from-node', {
  ...toAnyone,
  ...toClient,
});

import { expect, it } from 'vitest';
import { clientReaders } from '../../../src/wire/client-readers.ts';
import { readers } from '../../../src/wire/readers.ts';
import { validate } from '../../../src/wire/validate.ts';
import { catalogue, limits } from '../../support/samples/wire.ts';

const forClients = [
  ...['welcome', 'renewed', 'topology', 'goaway', 'error'],
  ...['begun', 'enlisted', 'locked', 'outcome', 'status'],
];
const fromNode = catalogue.filter(({ direction }) => direction === 'from-node');

it('a client reads what it is sent as everyone does, and refuses what others are sent', () => {
  expect(fromNode.length).toBeGreaterThan(forClients.length);
  for (const { type, sample } of fromNode) {
    const read = validate({ ...sample }, clientReaders, limits);
    if (forClients.includes(type)) {
      expect(read).toEqual(validate({ ...sample }, readers['from-node'], limits));
      expect(read.ok, type).toBe(true);
    } else {
      const message = `There is no message of type "${type}".`;
      expect(read).toMatchObject({ ok: false, problem: { code: 'INVALID_MESSAGE', message } });
    }
  }
});

it('a client refuses a field that breaks its rule', () => {
  const begun = { type: 'begun', id: 1, txid: 'none', timeoutMs: 1, share: 's' };
  expect(validate(begun, clientReaders, limits)).toMatchObject({
    ok: false,
    problem: { id: 1, message: 'begun.txid must be a transaction id' },
  });
});

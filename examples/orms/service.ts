/** One of the services, in one of the ORMs. Run: service.ts stock|payment ORM */
import process from 'node:process';
import { openMariadbResource } from 'verdict/mariadb';
import { serveParticipant } from 'verdict/participant';
import { openPostgresqlResource } from 'verdict/postgresql';
import type { Services } from './orders.ts';

const [service, orm] = process.argv.slice(2);
const { services } = (await import(`./${orm}.ts`)) as { services: Services };
const {
  VERDICT_URL = '127.0.0.1:7070',
  DATA = './data',
  STOCK_DATABASE,
  PAYMENT_DATABASE,
} = process.env;
const at = { urls: [VERDICT_URL], dataDirectory: `${DATA}/${service}-${orm}` };

if (service === 'stock') {
  const resource = await openPostgresqlResource({
    name: 'stock',
    connection: { connectionString: STOCK_DATABASE ?? 'postgres://shop@127.0.0.1/stock' },
    prepare: services.stock,
  });
  await serveParticipant({ name: 'stock', resource, ...at });
} else {
  const resource = await openMariadbResource({
    name: 'payment',
    connection: { uri: PAYMENT_DATABASE ?? 'mysql://shop@127.0.0.1/payment' },
    prepare: services.payment,
  });
  await serveParticipant({ name: 'payment', resource, ...at });
}
console.log(`${service} is ready`);

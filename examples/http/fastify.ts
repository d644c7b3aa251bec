/** The shop with Fastify. */
import process from 'node:process';
import fastify from 'fastify';
import { verdictPlugin } from 'verdict/fastify';
import { branchesOf, statusOf } from './order.ts';

const app = fastify();
await app.register(verdictPlugin, {
  connect: { urls: [process.env['VERDICT_URL'] ?? '127.0.0.1:7070'], name: 'shop' },
  // In earnest it is who is signed in: never what anyone can write into a header.
  scopeOf: (request) => String(request.headers['x-user']),
  statusOf,
});
app.post('/orders', { config: { idempotency: 'required' } }, async (request, reply) => {
  const { txid } = await request.verdict.transact({ branches: branchesOf(request.body) });
  return reply.code(201).send({ order: await request.verdict.requestId(), txid });
});
await app.listen({ port: Number(process.env['PORT'] ?? 8080) });
console.log('fastify is ready');
process.once('SIGTERM', () => void app.close());

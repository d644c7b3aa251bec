/** The shop with Express. */
import process from 'node:process';
import express from 'express';
import { connect } from 'verdict/client';
import { verdictMiddleware, verdictProblems } from 'verdict/express';
import { branchesOf, statusOf } from './order.ts';

// The name that both have: to the cluster they are two replicas of one service.
const client = await connect({
  urls: [process.env['VERDICT_URL'] ?? '127.0.0.1:7070'],
  name: 'shop',
});
const verdict = verdictMiddleware(client, {
  idempotency: 'required',
  scopeOf: (request) => String(request.headers['x-user']),
  statusOf,
});
const app = express();
app.use(express.json());
app.post('/orders', verdict, async (request, response) => {
  const { txid } = await request.verdict.transact({ branches: branchesOf(request.body) });
  response.status(201).json({ order: await request.verdict.requestId(), txid });
});
app.use(verdictProblems());
const server = app.listen(Number(process.env['PORT'] ?? 8080), () => {
  console.log('express is ready');
});
process.once('SIGTERM', () => {
  server.close(async () => {
    await verdict.idle();
    await client.close();
  });
});

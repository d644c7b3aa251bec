/** One replica as a process: starts, and ends in order when it is told to. */
import 'reflect-metadata';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { type DynamicModule, Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { VerdictHealthIndicator } from 'verdict/nestjs';
import { type Config, type Defaults, readConfig } from './config.ts';

/** Longer than VerdictModule's own limits together: drainTimeoutMs and closeTimeoutMs. */
const endTimeoutMs = 25_000;

export async function runService(
  defaults: Defaults,
  moduleOf: (config: Config) => DynamicModule,
): Promise<void> {
  try {
    await start(readConfig(defaults), moduleOf);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    process.stderr.write(`${defaults.service} cannot start: ${reason}\n`);
    process.exit(1);
  }
}

async function start(config: Config, moduleOf: (config: Config) => DynamicModule): Promise<void> {
  const { host, port, instance, version, shutdownDelayMs } = config;
  const app = await NestFactory.create(moduleOf(config), {
    abortOnError: false,
    logger: ['log', 'warn', 'error', 'fatal'],
  });
  // Serves its participants first: whoever gets an answer here finds tables and seeds.
  await app.listen(port, host);
  const logger = new Logger(instance);
  logger.log(`${instance} ${version} is ready at ${await app.getUrl()} (pid ${process.pid})`);

  let isEnding = false;
  const end = async (delayMs: number): Promise<void> => {
    if (isEnding) return;
    isEnding = true;
    setTimeout(() => process.exit(1), delayMs + endTimeoutMs).unref();
    // Requests still come until the load balancer has seen it, and are still answered.
    app.get(VerdictHealthIndicator).refuseTraffic();
    await sleep(delayMs);
    // Transactions under way finish, then participants, then requests, then connections close.
    await app.close();
    process.exit(0);
  };
  const failed = (error: unknown): void => {
    logger.error(error);
    process.exit(1);
  };
  process.once('SIGTERM', () => void end(shutdownDelayMs).catch(failed));
  process.once('SIGINT', () => void end(0).catch(failed));
  // Started by run.ts: it ends with it.
  process.once('disconnect', () => void end(0).catch(failed));
}

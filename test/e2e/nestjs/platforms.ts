/** What a NestJS application answers HTTP with: suites that concern HTTP run once for each. */
import type { AbstractHttpAdapter } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';

export interface Platform {
  readonly platform: string;
  readonly adapter: () => AbstractHttpAdapter;
}

export const express: Platform = { platform: 'Express', adapter: () => new ExpressAdapter() };
/** An end waits for connections that are kept alive; 72 s is the default. */
export const fastify: Platform = {
  platform: 'Fastify',
  adapter: () => new FastifyAdapter({ keepAliveTimeout: 500 }),
};
export const platforms: readonly Platform[] = [express, fastify];

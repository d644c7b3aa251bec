/**
 * Serves the providers with `@Participant`, and stops them at the application's end.
 *
 * They are to stop before the pools that they use are closed. Nest calls `onModuleDestroy` first of
 * all, of a class before what is injected into it; so each stops in a hook of its own object. What
 * is left stops with the module.
 */

import { join } from 'node:path';
import type { Type } from '@nestjs/common';
import type { DiscoveryService } from '@nestjs/core';
import type { ServeBaseOptions, ServeOptions } from '../participant/options.ts';
import { type ParticipantHandle, serveParticipant } from '../participant/serve.ts';
import type { Resource } from '../ports/resource.ts';
import { nestLogger } from './logger.ts';
import type { ParticipantDefaults, VerdictModuleOptions } from './options.ts';
import {
  type KeptSettings,
  keepHandle,
  ofClass,
  type ServedProvider,
  settingsOf,
} from './participant.ts';

export interface Found {
  readonly instance: object & ServedProvider;
  readonly settings: KeptSettings;
  readonly className: string;
}

type Wrapper = ReturnType<DiscoveryService['getProviders']>[number];

/** All in the application, of every connection. Throws for one that cannot be served. */
export function participantsIn(discovery: DiscoveryService): Found[] {
  const found = new Map<object, Found>();
  for (const wrapper of [...discovery.getProviders(), ...discovery.getControllers()]) {
    const target = classOf(wrapper);
    const settings = settingsOf(target);
    if (target === undefined || settings === undefined) continue;
    const className = target.name;
    if (!wrapper.isDependencyTreeStatic() || wrapper.isTransient) {
      throw ofClass(
        className,
        new TypeError(
          'it, or what is injected into it, is made anew for each request or for each place where it is injected. A participant is one object: give it the default scope.',
        ),
      );
    }
    const instance = wrapper.instance as Found['instance'];
    found.set(instance, { instance, settings, className });
  }
  return [...found.values()];
}

/** A factory's or a value's class is that of the object. */
function classOf({ metatype, instance }: Wrapper): Type | undefined {
  if (settingsOf(metatype) !== undefined) return metatype as Type;
  const made: unknown = typeof instance === 'object' ? instance?.constructor : undefined;
  return settingsOf(made) === undefined ? undefined : (made as Type);
}

/** Two providers under one name would take each other's journal. */
export function checkNames(found: readonly Found[]): void {
  const names = new Map<string, Found>();
  for (const each of found) {
    const { settings, className, instance } = each;
    const other = names.get(settings.name);
    names.set(settings.name, each);
    if (other === undefined) continue;
    const text =
      other.instance.constructor === instance.constructor
        ? `it is a provider of two modules, which makes two of it. Let one module provide and export it, and the others import that.`
        : `${other.className} serves ${settings.name}, too. Give each participant a name of its own.`;
    throw ofClass(className, new TypeError(text));
  }
}

export class ServedProviders {
  readonly #options: VerdictModuleOptions;
  /** Before each stops. */
  readonly #drained: () => Promise<void>;
  readonly #stops = new Set<() => Promise<void>>();
  readonly #handles = new Set<ParticipantHandle>();
  #isStopping = false;

  constructor(options: VerdictModuleOptions, drained: () => Promise<void>) {
    this.#options = options;
    this.#drained = drained;
  }

  get handles(): readonly ParticipantHandle[] {
    return [...this.#handles];
  }

  get isStopping(): boolean {
    return this.#isStopping;
  }

  async start(found: readonly Found[]): Promise<void> {
    try {
      for (const each of found) await this.#serve(each);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Methods that run may finish, also where there is no participant. */
  async stop(): Promise<void> {
    await Promise.all([this.#drained(), ...[...this.#stops].map((stop) => stop())]);
  }

  async #serve({ instance, settings, className }: Found): Promise<void> {
    const { closeTimeoutMs: timeoutMs = 10_000 } = this.#options;
    let resource: Resource | null = null;
    try {
      resource = await resourceOf(instance);
      const handle = await serveParticipant(
        await serveOptions(this.#options, { instance, settings, resource }),
      );
      this.#handles.add(handle);
      keepHandle(instance, handle);
      const closed = resource;
      let stopping: Promise<void> | null = null;
      const stop = (): Promise<void> => {
        this.#isStopping = true;
        stopping ??= this.#drained().then(async () => {
          try {
            await handle.close({ timeoutMs });
          } finally {
            this.#handles.delete(handle);
            this.#stops.delete(stop);
            keepHandle(instance, null);
            await closeResource(instance, closed);
          }
        });
        return stopping;
      };
      this.#stops.add(stop);
      stopFirst(instance, stop);
    } catch (error) {
      await closeResource(instance, resource).catch(() => undefined);
      throw ofClass(className, error);
    }
  }
}

async function serveOptions(
  options: VerdictModuleOptions,
  of: {
    readonly instance: ServedProvider;
    readonly settings: KeptSettings;
    readonly resource: Resource;
  },
): Promise<ServeOptions> {
  const { instance, resource } = of;
  const { connection: _, ...settings } = of.settings;
  const { dataDirectory, ...defaults }: ParticipantDefaults = options.participants || {};
  const { urls, token, jwt, tls } = options;
  const { name } = settings;
  const given: Partial<ServeBaseOptions> = {
    urls,
    ...(token === undefined ? {} : { token }),
    ...(jwt === undefined ? {} : { jwt }),
    ...(tls === undefined ? {} : { tls }),
    ...(dataDirectory === undefined ? {} : { dataDirectory: join(dataDirectory, name) }),
    ...(instance.ready === undefined ? {} : { ready: (call) => instance.ready?.(call) }),
    logger: nestLogger(`Verdict ${name}`),
    ...defaults,
  };
  const whole = { ...given, ...settings, ...(await instance.participantOptions?.()) };
  if (whole.dataDirectory === undefined) {
    throw new TypeError(
      'say where its journal is kept: dataDirectory here, or participants: { dataDirectory } of VerdictModule for all.',
    );
  }
  return { ...whole, name, urls: whole.urls ?? urls, resource };
}

async function resourceOf(instance: ServedProvider): Promise<Resource> {
  if (!('resource' in instance)) return instance;
  const { resource } = instance;
  return typeof resource === 'function' ? resource.call(instance) : resource;
}

/** The provider's own `close`, where it is the resource itself, is for whoever wrote it. */
async function closeResource(instance: object, resource: Resource | null): Promise<void> {
  if (resource === null || resource === instance) return;
  const { close } = resource as { readonly close?: unknown };
  if (typeof close === 'function') await close.call(resource);
}

/** Before the object's own hook, if it has one. An object that is frozen stops with the module. */
function stopFirst(instance: object, stop: () => Promise<void>): void {
  if (!Object.isExtensible(instance)) return;
  Object.defineProperty(instance, 'onModuleDestroy', {
    configurable: true,
    value: async (): Promise<void> => {
      Reflect.deleteProperty(instance, 'onModuleDestroy');
      await stop();
      const { onModuleDestroy } = instance as { onModuleDestroy?: () => unknown };
      await onModuleDestroy?.call(instance);
    },
  });
}

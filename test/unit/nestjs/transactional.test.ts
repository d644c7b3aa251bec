import 'reflect-metadata';
import { Controller, Get, Inject, Injectable, Scope, SetMetadata } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { of } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { currentTransaction } from '../../../src/client.ts';
import {
  bindVerdict,
  getVerdictToken,
  TransactionAbortedError,
  Transactional,
  transactionalPassThrough,
} from '../../../src/nestjs.ts';

async function enlist(participant: string): Promise<void> {
  await currentTransaction().enlist({ participant });
}

@Injectable()
class Payments {
  @Transactional()
  async charge(): Promise<string> {
    await enlist('payment');
    return currentTransaction().txid;
  }
}

@Injectable()
class Orders {
  readonly #payments: Payments;
  constructor(@Inject(Payments) payments: Payments) {
    this.#payments = payments;
  }

  @Transactional()
  async place(sku: string, fails = false): Promise<{ sku: string; own: string; nested: string }> {
    await enlist('inventory');
    const nested = await this.#payments.charge();
    if (fails) throw new RangeError('The card is expired.');
    return { sku, own: currentTransaction().txid, nested };
  }
}

describe('@Transactional', () => {
  async function service(
    ...more: NonNullable<Parameters<typeof Test.createTestingModule>[0]['providers']>
  ) {
    const verdict = transactionalPassThrough();
    const module = await Test.createTestingModule({
      providers: [
        Orders,
        Payments,
        { provide: getVerdictToken(), useValue: verdict.client },
        ...more,
      ],
    }).compile();
    return { verdict, module, orders: module.get(Orders, { strict: false }) };
  }

  it('commits what the method and those below it enlist, in one transaction', async () => {
    const { verdict, orders } = await service();
    const { sku, own, nested } = await orders.place('lamp');
    expect(sku).toBe('lamp');
    expect(nested).toBe(own);
    expect(verdict.committed.map(({ participant }) => participant)).toEqual([
      'inventory',
      'payment',
    ]);
  });

  it('throws what the method throws, and commits nothing', async () => {
    const { verdict, orders } = await service();
    await expect(orders.place('lamp', true)).rejects.toThrow(
      new RangeError('The card is expired.'),
    );
    expect(verdict.committed).toEqual([]);
  });

  it('throws a TransactionAbortedError with the reason when the transaction aborts', async () => {
    const { verdict, orders } = await service();
    verdict.abortNext({ code: 'VOTED_ABORT', message: 'None left.', participant: 'inventory' });
    const error = await orders.place('lamp').catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(TransactionAbortedError);
    expect(error).toMatchObject({
      code: 'VOTED_ABORT',
      retryable: false,
      attempts: 1,
      reason: { message: 'None left.', participant: 'inventory' },
    });
    expect(verdict.committed).toEqual([]);
    await orders.place('lamp');
    expect(verdict.committed).toHaveLength(2);
  });

  it('keeps name, length, and the metadata of decorators on either side of it', () => {
    class Both {
      @SetMetadata('above', 1)
      @Transactional()
      @SetMetadata('below', 2)
      @Get('here')
      async both(_one: number, _two: number): Promise<void> {}
    }
    const { both } = Both.prototype;
    expect([both.name, both.length]).toEqual(['both', 2]);
    expect(Reflect.getMetadata('above', both)).toBe(1);
    expect(Reflect.getMetadata('below', both)).toBe(2);
    expect(Reflect.getMetadata('path', both)).toBe('here');
  });

  it('is inherited, overridden and called by super, with injections of the class itself', async () => {
    abstract class Base {
      readonly calls: string[] = [];
      @Transactional()
      async work(): Promise<string> {
        this.calls.push('base');
        await enlist('base');
        return currentTransaction().txid;
      }
    }
    @Injectable()
    class Inherits extends Base {}
    @Injectable()
    class Overrides extends Base {
      @Inject(Payments) readonly payments!: Payments;
      @Transactional()
      override async work(): Promise<string> {
        this.calls.push('derived');
        const own = await this.payments.charge();
        expect(await super.work()).toBe(own);
        return own;
      }
    }
    const { verdict, module } = await service(Inherits, Overrides);
    await module.get(Inherits).work();
    await module.get(Overrides).work();
    expect(module.get(Inherits).calls).toEqual(['base']);
    expect(module.get(Overrides).calls).toEqual(['derived', 'base']);
    expect(verdict.committed.map(({ participant }) => participant)).toEqual([
      'base',
      'payment',
      'base',
    ]);
  });

  it('works in providers of request scope and in those that are made for each place', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class PerRequest {
      @Transactional()
      async work(): Promise<void> {
        await enlist('request');
      }
    }
    @Injectable({ scope: Scope.TRANSIENT })
    class PerPlace {
      @Transactional()
      async work(): Promise<void> {
        await enlist('place');
      }
    }
    const { verdict, module } = await service(PerRequest, PerPlace);
    await (await module.resolve(PerRequest)).work();
    await (await module.resolve(PerPlace)).work();
    expect(verdict.committed.map(({ participant }) => participant)).toEqual(['request', 'place']);
  });

  it('takes the client of the connection that it names', async () => {
    @Injectable()
    class Two {
      @Transactional()
      async first(): Promise<void> {
        await enlist('first');
      }
      @Transactional({ connection: 'archive' })
      async second(): Promise<void> {
        await enlist('second');
      }
      @Transactional()
      async both(): Promise<void> {
        await enlist('outer');
        await this.second();
      }
    }
    const archive = transactionalPassThrough();
    const { verdict, module } = await service(Two, {
      provide: getVerdictToken('archive'),
      useValue: archive.client,
    });
    await module.get(Two).first();
    await module.get(Two).both();
    expect(verdict.committed.map(({ participant }) => participant)).toEqual(['first', 'outer']);
    expect(archive.committed.map(({ participant }) => participant)).toEqual(['second']);
  });

  it('keeps two applications in one process apart', async () => {
    const one = await service();
    const two = await service();
    await one.orders.place('lamp');
    expect([one.verdict.committed.length, two.verdict.committed.length]).toEqual([2, 0]);
  });

  it('needs a module that sees the connection: Nest says so at the start', async () => {
    const made = Test.createTestingModule({ providers: [Payments] }).compile();
    await expect(made).rejects.toThrow(/VerdictClient:default/);
  });

  it('says what to do where Nest did not make the object, and bindVerdict does it', async () => {
    await expect(async () => new Payments().charge()).rejects.toThrow(
      'bindVerdict(new Payments(...), client)',
    );
    const { client, committed } = transactionalPassThrough();
    await bindVerdict(new Payments(), client).charge();
    expect(committed).toHaveLength(1);
    const alone = new Payments().charge;
    await expect(async () => alone.call(undefined as never)).rejects.toThrow('without its object');
  });

  it('passes options on: mandatory and requires-new do as withTransaction says', async () => {
    @Injectable()
    class Modes {
      @Transactional({ propagation: 'mandatory' })
      async must(): Promise<void> {
        await enlist('must');
      }
      @Transactional({ propagation: 'requires-new' })
      async own(): Promise<string> {
        return currentTransaction().txid;
      }
      @Transactional()
      async outer(): Promise<boolean> {
        await this.must();
        return (await this.own()) !== currentTransaction().txid;
      }
    }
    const { module } = await service(Modes);
    await expect(module.get(Modes).must()).rejects.toThrow("propagation 'mandatory'");
    expect(await module.get(Modes).outer()).toBe(true);
  });

  it('refuses an Observable and a generator, which would work after the transaction', async () => {
    @Controller()
    class Streams {
      @Transactional()
      async stream(): Promise<unknown> {
        return of(1);
      }
      // @ts-expect-error it is no promise
      @Transactional()
      async *pages(): AsyncGenerator<string> {
        await enlist('inventory');
        yield currentTransaction().txid;
      }
    }
    const { verdict, module } = await service(Streams);
    const streams = module.get(Streams);
    await expect(streams.stream()).rejects.toThrow('firstValueFrom');
    await expect(streams.pages()).rejects.toThrow('@Transactional: pages returned a generator');
    expect(verdict.committed).toEqual([]);
  });

  it('refuses what is no method of an object, and options that are none, where the class is read', () => {
    expect(() => {
      class Statics {
        // @ts-expect-error it is no promise either
        @Transactional()
        static work(): number {
          return 1;
        }
      }
      return Statics;
    }).toThrow('Statics.work is static');
    // @ts-expect-error there is no such option
    expect(() => Transactional({ propagate: 'required' })).toThrow('propagate');
    const standard = Transactional() as unknown as (value: unknown, context: unknown) => void;
    expect(() => standard(() => undefined, { kind: 'method', name: 'work' })).toThrow(
      'experimentalDecorators',
    );
  });
});

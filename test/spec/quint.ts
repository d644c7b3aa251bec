/**
 * Quint's simulator, in this process: parsed once, then run as often as wanted. Its command line
 * does the same, but would parse and check the specification anew, some seconds each time, for
 * every mutant and every batch.
 *
 * The modules are those behind `quint run --backend=typescript`; a seed found here is the `--seed`
 * there.
 */
import { basename, dirname, join } from 'node:path';
import { type IdGenerator, newIdGenerator } from '@informalsystems/quint/dist/src/idGenerator.js';
import { walkExpression } from '@informalsystems/quint/dist/src/ir/IRVisitor.js';
import type { QuintEx } from '@informalsystems/quint/dist/src/ir/quintIr.js';
import { type ItfTrace, toItf } from '@informalsystems/quint/dist/src/itf.js';
import {
  type ParserPhase4,
  parseExpressionOrDeclaration,
  parsePhase1fromText,
  parsePhase2sourceResolution,
  parsePhase3importAndNameResolution,
  parsePhase4toposort,
} from '@informalsystems/quint/dist/src/parsing/quintParserFrontend.js';
import { fileSourceResolver } from '@informalsystems/quint/dist/src/parsing/sourceResolver.js';
import { analyzeModules } from '@informalsystems/quint/dist/src/quintAnalyzer.js';
import type { QuintError } from '@informalsystems/quint/dist/src/quintError.js';
import { newRng } from '@informalsystems/quint/dist/src/rng.js';
import { Evaluator } from '@informalsystems/quint/dist/src/runtime/impl/evaluator.js';
import { newTraceRecorder } from '@informalsystems/quint/dist/src/runtime/trace.js';

/** Changes the text of a module on its way in: `file` is its base name. */
export type Edit = (file: string, text: string) => string;

export interface Simulation {
  readonly step: string;
  readonly invariant: string;
  readonly witnesses?: readonly string[];
  readonly samples: number;
  readonly steps: number;
  readonly seed: bigint;
  /** How many traces to hand back; of a violation there is always the one that shows it. */
  readonly traces?: number;
}

export interface Simulated {
  readonly violated: boolean;
  /** Traces explored, the violating one included. */
  readonly samples: number;
  readonly witnessed: readonly number[];
  readonly traces: readonly { readonly seed: bigint; readonly states: readonly QuintEx[] }[];
}

export class Specification {
  readonly #parsed: ParserPhase4;
  readonly #ids: IdGenerator;
  readonly #main: string;

  /**
   * `check`: types, effects and modes as well as names. What differs by a few words from a checked
   * text can go without.
   */
  constructor(path: string, { edit, check }: { readonly edit: Edit; readonly check: boolean }) {
    const files = fileSourceResolver();
    const resolver: typeof files = {
      ...files,
      load: (found) => files.load(found).map((text) => edit(basename(found.normalizedPath), text)),
    };
    this.#main = basename(path, '.qnt');
    this.#ids = newIdGenerator();
    const found = resolver.lookupPath(dirname(path), join('.', basename(path)));
    const text = resolver.load(found).unwrap();
    let parsed = parsePhase1fromText(this.#ids, text, found.toSourceName());
    assertNone(parsed.errors);
    parsed = parsePhase2sourceResolution(this.#ids, resolver, found, parsed);
    assertNone(parsed.errors);
    const named = parsePhase3importAndNameResolution(parsed);
    assertNone(named.errors);
    this.#parsed = parsePhase4toposort(named);
    assertNone(this.#parsed.errors);
    if (check) assertNone(analyzeModules(this.#parsed.table, this.#parsed.modules)[0]);
  }

  simulate(wanted: Simulation): Simulated {
    const generator = newRng(wanted.seed);
    const recorder = newTraceRecorder(0, generator, wanted.traces ?? 1);
    const evaluator = new Evaluator(this.#parsed.table, recorder, generator);
    const outcome = evaluator.simulate(
      this.#expression('init'),
      this.#expression(wanted.step),
      this.#expression(wanted.invariant),
      (wanted.witnesses ?? []).map((witness) => this.#expression(witness)),
      wanted.samples,
      wanted.steps,
      1,
    );
    assertNone(outcome.errors);
    return {
      violated: outcome.status === 'violation',
      samples: outcome.samples,
      witnessed: outcome.witnessingTraces,
      traces: outcome.bestTraces.map(({ seed, states }) => ({ seed, states })),
    };
  }

  #expression(text: string): QuintEx {
    const { resolver, sourceMap } = this.#parsed;
    const parsed = parseExpressionOrDeclaration(text, '<input>', this.#ids, sourceMap);
    if (parsed.kind !== 'expr') throw new Error(`${text} is no expression of the specification.`);
    resolver.switchToModule(this.#main);
    walkExpression(resolver, parsed.expr);
    assertNone(resolver.errors);
    return parsed.expr;
  }
}

/** The trace in the Informal Trace Format, as quint's own --out-itf writes it. */
export function itfOf(vars: string[], states: readonly QuintEx[]): ItfTrace {
  const converted = toItf(vars, [...states]);
  if (converted.isLeft()) throw new Error(`No trace came out: ${converted.value}`);
  return converted.unwrap();
}

function assertNone(errors: readonly QuintError[]): void {
  const [first] = errors;
  if (first !== undefined) throw new Error(`The specification: ${first.code} ${first.message}`);
}

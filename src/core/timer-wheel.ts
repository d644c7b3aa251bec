/**
 * A hierarchical timer wheel (Varghese & Lauck 1987): every time-out of a term hangs on one of
 * these, so a hundred thousand transactions cost one wake-up of the driver, and setting or
 * cancelling a timer costs a few pointer moves.
 *
 * Level 0 has 64 slots of `granularityMs`; a slot of level n+1 spans all of level n. A timer sits
 * in the lowest level that reaches it and falls a level each time its slot comes up. It never fires
 * early; it fires at most one granule late.
 */

const slotBits = 6;
const slots: number = 1 << slotBits;
const slotMask: number = slots - 1;
const levels = 5;
/** Ticks that one slot of a level spans. */
const spans: readonly number[] = Array.from({ length: levels + 1 }, (_, level) => slots ** level);

export interface TimerHandle {
  readonly atMs: number;
}

interface Node<T> extends TimerHandle {
  readonly tick: number;
  readonly value: T;
  list: Node<T>[] | null;
  index: number;
}

export class TimerWheel<T> {
  private readonly granularityMs: number;
  private readonly wheel: Node<T>[][][];
  /** The last tick that was handled. */
  private tick: number;
  /** No slot comes up before it; null: look. After a cancelled timer too low, never too high. */
  private notBefore: number | null = null;
  private count = 0;

  constructor(options: { nowMs: number; granularityMs?: number }) {
    this.granularityMs = options.granularityMs ?? 4;
    this.tick = Math.floor(options.nowMs / this.granularityMs);
    this.wheel = Array.from({ length: levels }, () => Array.from({ length: slots }, () => []));
  }

  get size(): number {
    return this.count;
  }

  schedule(atMs: number, value: T): TimerHandle {
    const tick = Math.max(Math.ceil(atMs / this.granularityMs), this.tick + 1);
    const node: Node<T> = { atMs, tick, value, list: null, index: 0 };
    this.insert(node);
    this.count += 1;
    return node;
  }

  /** No effect on a timer that fired or was cancelled. */
  cancel(handle: TimerHandle): void {
    const node = handle as Node<T>;
    const list = node.list;
    if (list === null) return;
    const last = list.pop();
    if (last !== undefined && last !== node) {
      list[node.index] = last;
      last.index = node.index;
    }
    node.list = null;
    this.count -= 1;
  }

  /** Fires what is due, in order of due time. A callback may schedule and cancel. */
  advance(nowMs: number, fire: (value: T) => void): void {
    const target = Math.floor(nowMs / this.granularityMs);
    while (this.tick < target) {
      const next = this.count === 0 ? null : this.nextTick();
      if (next === null || next > target) {
        this.tick = target;
        return;
      }
      this.tick = next;
      this.notBefore = null;
      this.cascade();
      const due = this.slot(0, this.tick);
      while (due.length > 0) {
        const batch = due.slice().sort((a, b) => a.atMs - b.atMs);
        for (const node of batch) {
          // Cancelled by an earlier one of this batch.
          if (node.list === null) continue;
          this.cancel(node);
          fire(node.value);
        }
      }
    }
  }

  /** When to call `advance` next, or null. May be early (a cascade), never late. */
  nextAtMs(): number | null {
    return this.count === 0 ? null : this.nextTick() * this.granularityMs;
  }

  private slot(level: number, tick: number): Node<T>[] {
    // The index is masked to the number of slots, so both look-ups are in range.
    return (this.wheel[level] as Node<T>[][])[
      Math.floor(tick / (spans[level] as number)) & slotMask
    ] as Node<T>[];
  }

  private insert(node: Node<T>): void {
    const delta = node.tick - this.tick;
    let level = 0;
    while (level < levels - 1 && delta >= (spans[level + 1] as number)) level += 1;
    // Beyond the last level's reach: park in its farthest slot; it is placed anew when that comes
    // up.
    const reach = slots ** levels - slots ** (levels - 1);
    const place = delta >= reach ? this.tick + reach : node.tick;
    put(node, this.slot(level, place));
    if (this.notBefore !== null) {
      const span = spans[level] as number;
      this.notBefore = Math.min(this.notBefore, Math.floor(place / span) * span);
    }
  }

  /** Moves down what the upper levels hold for the present tick. */
  private cascade(): void {
    for (let level = levels - 1; level > 0; level -= 1) {
      if (this.tick % (spans[level] as number) !== 0) continue;
      const list = this.slot(level, this.tick);
      const nodes = list.splice(0, list.length);
      for (const node of nodes) {
        if (node.tick > this.tick) this.insert(node);
        else put(node, this.slot(0, this.tick));
      }
    }
  }

  /** The next tick at which a slot comes up or an upper slot must cascade, or an earlier one. */
  private nextTick(): number {
    // It is asked for after every event, and looking through the slots is not for nothing.
    if (this.notBefore === null || this.notBefore <= this.tick) this.notBefore = this.scan();
    return this.notBefore;
  }

  private scan(): number {
    let least: number | null = null;
    for (let level = 0; level < levels; level += 1) {
      const span = spans[level] as number;
      const base = Math.floor(this.tick / span);
      for (let step = 1; step <= slots; step += 1) {
        const at = (base + step) * span;
        if (this.slot(level, at).length === 0) continue;
        if (least === null || at < least) least = at;
        break;
      }
    }
    return least ?? this.tick + 1;
  }
}

function put<T>(node: Node<T>, list: Node<T>[]): void {
  node.list = list;
  node.index = list.length;
  list.push(node);
}

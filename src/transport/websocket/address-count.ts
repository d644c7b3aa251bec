/** How many sockets each remote address holds. An address without any takes no memory. */
export class AddressCount {
  readonly #counts = new Map<string, number>();
  #total = 0;

  get total(): number {
    return this.#total;
  }

  of(address: string): number {
    return this.#counts.get(address) ?? 0;
  }

  add(address: string): void {
    this.#total += 1;
    this.#counts.set(address, this.of(address) + 1);
  }

  remove(address: string): void {
    this.#total -= 1;
    const left = this.of(address) - 1;
    if (left === 0) this.#counts.delete(address);
    else this.#counts.set(address, left);
  }
}

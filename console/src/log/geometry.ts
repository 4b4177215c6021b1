/** Where the rows of a long list are: all have one height, except those that are open. Pure; no DOM in here. */
export interface OpenRow {
  readonly index: number;
  readonly height: number;
}

export class Geometry {
  readonly count: number;
  readonly rowHeight: number;
  #open: readonly OpenRow[];

  /** @param open in the order of the list */
  constructor(count: number, rowHeight: number, open: readonly OpenRow[]) {
    this.count = count;
    this.rowHeight = rowHeight;
    this.#open = open;
  }

  /** The height of all rows. */
  get total(): number {
    return this.top(this.count);
  }

  /** Where a row begins; for the count of rows, where the last one ends. */
  top(index: number): number {
    let top = index * this.rowHeight;
    for (const open of this.#open) {
      if (open.index >= index) break;
      top += open.height - this.rowHeight;
    }
    return top;
  }

  /** The row at a height, 0 for the first. */
  at(y: number): number {
    let above = 0;
    for (const open of this.#open) {
      const top = open.index * this.rowHeight + above;
      if (y < top) break;
      if (y < top + open.height) return open.index;
      above += open.height - this.rowHeight;
    }
    const index = Math.floor((y - above) / this.rowHeight);
    return Math.max(0, Math.min(this.count - 1, index));
  }
}

/** Something with a `change` event; what has changed is read from it. No DOM in here. */
export class Store extends EventTarget {
  changed(): void {
    this.dispatchEvent(new Event("change"));
  }
}

/** A wire between client and gateway that can be cut at any byte. */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

export class Wire {
  /** The port of the gateway. */
  target: number;
  /** How many connections are refused before one passes. */
  refusals = 0;
  readonly #server: Server;
  readonly #pairs = new Set<[Socket, Socket]>();
  /** Bytes that still pass, from the gateway (`down`) or to it (`up`), before the cut. */
  #left: { side: "up" | "down"; bytes: number; done: () => void } | null = null;

  constructor(target: number) {
    this.target = target;
    this.#server = createServer((near) => this.#accept(near));
  }

  async listen(): Promise<number> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return (this.#server.address() as AddressInfo).port;
  }

  /** Cuts every connection now. */
  cut(): void {
    for (const [near, far] of this.#pairs) {
      near.resetAndDestroy();
      far.resetAndDestroy();
    }
    this.#pairs.clear();
  }

  /** Cuts after so many more bytes on one side. */
  cutAfter(side: "up" | "down", bytes: number): Promise<void> {
    return new Promise((done) => (this.#left = { side, bytes, done }));
  }

  close(): void {
    this.cut();
    this.#server.close();
  }

  #accept(near: Socket): void {
    near.on("error", () => undefined);
    if (this.refusals > 0) {
      this.refusals -= 1;
      near.destroy();
      return;
    }
    const far = connect(this.target, "127.0.0.1");
    const pair: [Socket, Socket] = [near, far];
    this.#pairs.add(pair);
    far.on("error", () => near.destroy());
    near.on("data", (data) => this.#pass("up", data, far));
    far.on("data", (data) => this.#pass("down", data, near));
    for (const [one, other] of [[near, far], [far, near]] as const) {
      one.on("close", () => {
        this.#pairs.delete(pair);
        other.destroySoon();
      });
    }
  }

  #pass(side: "up" | "down", data: Buffer, to: Socket): void {
    const left = this.#left;
    if (left === null || left.side !== side || data.length <= left.bytes) {
      if (left?.side === side) left.bytes -= data.length;
      to.write(data);
      return;
    }
    this.#left = null;
    to.write(data.subarray(0, left.bytes), () => {
      this.cut();
      left.done();
    });
  }
}

/** Broadcasts, and errors that answer no command: they stand above the page until somebody dismisses them. No DOM in here. */
import type { Connection } from "./connection";
import { summaryOf, visibleName, type Fields } from "./message_text";
import { Store } from "./store";

export interface Bar {
  readonly id: number;
  readonly title: string;
  readonly text: string;
  readonly raw: string;
}

const BARS_MAX = 5;

export class Bars extends Store {
  broadcasts: readonly Bar[] = [];
  problems: readonly Bar[] = [];
  #last = 0;

  constructor(connection: Connection) {
    super();
    connection.client.on("error", (message: Fields, raw) => {
      const text = visibleName(String(message["message"] ?? ""));
      this.problems = this.#with(this.problems, String(message["code"] ?? "error"), text, raw);
      this.changed();
    });
    connection.client.on("broadcast", (message: Fields, raw) => {
      const title = typeof message["type"] === "string" ? `Broadcast: ${message["type"]}` : "Broadcast";
      this.broadcasts = this.#with(this.broadcasts, title, summaryOf(message), raw);
      this.changed();
    });
  }

  dismiss(id: number): void {
    this.broadcasts = this.broadcasts.filter((bar) => bar.id !== id);
    this.problems = this.problems.filter((bar) => bar.id !== id);
    this.changed();
  }

  #with(bars: readonly Bar[], title: string, text: string, raw: string): Bar[] {
    this.#last += 1;
    return [{ id: this.#last, title: visibleName(title), text, raw }, ...bars].slice(0, BARS_MAX);
  }
}

import { useCallback, useState } from "react";
import type { Client, Forwarded, ForwardOptions } from "../client.js";
import type { ClientError } from "../core/errors.js";
import { randomId } from "../random.js";

/** Work that was sent to an agent from here. */
export interface Sent {
  readonly messageId: string;
  readonly agent: string;
  readonly data: unknown;
  readonly status: "sending" | "confirmed" | "failed";
  /** The queue's own id of the task. */
  readonly receipt: string | null;
  readonly error: ClientError | null;
}

export interface Sender {
  /** Sends work. Raises ClientError, which is in `sent`, too. */
  readonly forward: (agent: string, data: unknown, options?: ForwardOptions) => Promise<Forwarded>;
  /** Sends failed work again under the same id, so that there is one task. */
  readonly retry: (sent: Sent) => Promise<Forwarded>;
  /** What was sent, oldest first; the last 100. */
  readonly sent: readonly Sent[];
}

const KEPT = 100;

/** Sends work to agents, for a project, and shows what became of it. */
export function useForward(client: Client, id?: string): Sender {
  const [sent, setSent] = useState<readonly Sent[]>([]);
  const forward = useCallback(async (agent: string, data: unknown, options: ForwardOptions = {}): Promise<Forwarded> => {
    const messageId = options.messageId ?? randomId();
    const set = (more: Partial<Sent>): void => setSent((before) => {
      const one: Sent = { messageId, agent, data, status: "sending", receipt: null, error: null, ...more };
      const isKnown = before.some((other) => other.messageId === messageId);
      return isKnown ? before.map((other) => (other.messageId === messageId ? one : other)) : [...before, one].slice(-KEPT);
    });
    set({});
    try {
      const done = await client.forward(agent, data, { ...(id === undefined ? {} : { project: id }), ...options, messageId });
      set({ status: "confirmed", receipt: done.receipt });
      return done;
    } catch (error) {
      set({ status: "failed", error: error as ClientError });
      throw error;
    }
  }, [client, id]);
  const retry = useCallback(({ agent, data, messageId }: Sent) => forward(agent, data, { messageId }), [forward]);
  return { forward, retry, sent };
}

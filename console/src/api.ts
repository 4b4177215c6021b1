/** The gateway's HTTP API, as this tab's user. */
import { useEffect, useState } from "preact/hooks";
import { mayAct } from "./mode";
import { connection, credential } from "./page";
import type { Problem } from "./reasons";

/** What went wrong, with the gateway's own words where it has said some. */
export class ApiError extends Error implements Problem {
  readonly code: string;
  readonly status: number;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Asks, and returns the answer's body. Raises ApiError unless the gateway agrees. */
export async function ask(method: "GET" | "POST" | "DELETE", path: string, body?: unknown): Promise<Response> {
  if (!mayAct && method !== "GET") throw new ApiError(0, "read_only", "this console only shows (CONSOLE=read)");
  const headers: HeadersInit = credential.token === null ? {} : { Authorization: `Bearer ${credential.token}` };
  let answer: Response;
  try {
    answer = await fetch(path, { method, headers, cache: "no-store", ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  } catch {
    throw new ApiError(0, "not_reachable", "the gateway does not answer");
  }
  if (answer.ok) return answer;
  const fault = (await answer.json().catch(() => ({}))) as Partial<Problem>;
  throw new ApiError(answer.status, fault.code ?? String(answer.status), fault.message ?? "the gateway refuses");
}

/** JSON of the API. Its form is that of spec/openapi.yaml. */
export async function askJson<Answer>(path: string): Promise<Answer> {
  return (await (await ask("GET", path)).json()) as Answer;
}

export interface Polled<Answer> {
  readonly answer: Answer | null;
  readonly problem: Problem | null;
  /** Asks at once. */
  readonly again: () => void;
}

/** Asks again and again while the page is to be seen and connected. The last answer stays during a problem. */
export function usePolled<Answer>(question: () => Promise<Answer>, everyMs: number, about = ""): Polled<Answer> {
  const [state, setState] = useState<{ answer: Answer | null; problem: Problem | null }>({ answer: null, problem: null });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    let isOver = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    async function round(): Promise<void> {
      if (!document.hidden && connection.live) {
        try {
          const answer = await question();
          if (!isOver) setState({ answer, problem: null });
        } catch (error) {
          if (!isOver) setState((before) => ({ ...before, problem: error as Problem }));
        }
      }
      if (!isOver) timer = setTimeout(() => void round(), connection.live ? everyMs : 250);
    }
    void round();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [turn, everyMs, about]);
  return { ...state, again: () => setTurn((before) => before + 1) };
}

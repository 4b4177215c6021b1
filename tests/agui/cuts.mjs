/** A `fetch` that cuts its connections at seeded places: before the answer, and behind any byte of it. */

/** mulberry32. */
function seeded(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Without a seed nothing is cut. */
export function cutting(seed) {
  const wire = { requests: 0, cuts: 0, fetch: ask };
  const random = seeded(seed ?? 0);
  Math.random = seed === undefined ? Math.random : () => random() * 0.02; // back-offs of 20 ms at most

  async function ask(input, init = {}) {
    wire.requests += 1;
    if (seed === undefined) return fetch(input, init);
    const socket = new AbortController();
    init.signal?.addEventListener("abort", () => socket.abort(init.signal.reason));
    const answering = fetch(input, { ...init, signal: socket.signal });
    if (random() < 0.15) {
      answering.catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, random() * 8));
      return cut(socket);
    }
    const answer = await answering;
    if (!answer.ok) return answer;
    let left = wire.requests % 4 === 0 ? 20_000 : Math.floor(random() * 900); // a snapshot has to come through at times
    const reader = answer.body.getReader();
    const body = new ReadableStream({
      async pull(controller) {
        const { done, value } = await reader.read();
        if (done) return controller.close();
        if (value.length < left) {
          left -= value.length;
          return controller.enqueue(value);
        }
        if (left > 0) controller.enqueue(value.slice(0, left));
        left = 0;
        try {
          cut(socket);
        } catch (error) {
          setImmediate(() => controller.error(error)); // what was sent before arrives
        }
      },
    });
    return new Response(body, { status: answer.status, headers: answer.headers });
  }

  function cut(socket) {
    wire.cuts += 1;
    socket.abort();
    throw new TypeError("cut");
  }
  return wire;
}

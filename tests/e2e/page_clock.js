/**
 * A clock for a page that stands still, so that no deadline of the client passes on a slow machine. `pass` lets the timers of
 * a time run one after the other, and `jump` is a machine that slept. Pauses of ten milliseconds at most are real.
 * It also remembers the sockets of the page and what they sent.
 */
(() => {
  const realSetTimeout = setTimeout;
  const realClearTimeout = clearTimeout;
  const timers = new Map();
  let count = 0;
  let now = Date.now();

  Date.now = () => now;
  globalThis.setTimeout = (act, pauseMs = 0, ...given) => {
    if (pauseMs <= 10) return realSetTimeout(act, pauseMs, ...given);
    count -= 1;
    timers.set(count, { at: now + pauseMs, act: () => act(...given) });
    return count;
  };
  globalThis.clearTimeout = (id) => timers.delete(id) || realClearTimeout(id);

  const next = () => [...timers].sort(([, one], [, other]) => one.at - other.at)[0];

  function runDue() {
    for (let due = next(); due !== undefined && due[1].at <= now; due = next()) {
      timers.delete(due[0]);
      due[1].act();
    }
  }

  globalThis.pass = async (ms) => {
    const end = now + ms;
    for (let due = next(); due !== undefined && due[1].at <= end; due = next()) {
      now = Math.max(now, due[1].at);
      runDue();
      await new Promise((resolve) => realSetTimeout(resolve));
    }
    now = Math.max(now, end);
  };

  globalThis.jump = (ms) => {
    now += ms;
    runDue();
  };

  globalThis.passUntil = async (holds) => {
    while (!holds()) {
      await new Promise((resolve) => realSetTimeout(resolve, 10));
      await globalThis.pass(5);
    }
  };

  globalThis.sockets = [];
  globalThis.sent = [];
  globalThis.WebSocket = class extends WebSocket {
    constructor(...given) {
      super(...given);
      sockets.push(this);
    }

    send(text) {
      sent.push(JSON.parse(text));
      super.send(text);
    }
  };
})();

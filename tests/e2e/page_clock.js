/**
 * A clock for a page that goes on by itself and can jump: `pass` lets the timers of a time run one after the other, and
 * `jump` is a machine that slept. It also remembers the sockets of the page and what they sent.
 */
(() => {
  const realNow = Date.now.bind(Date);
  const realSetTimeout = setTimeout;
  const timers = new Map();
  let count = 0;
  let aheadMs = 0;

  Date.now = () => realNow() + aheadMs;
  globalThis.setTimeout = (act, pauseMs = 0, ...given) => {
    count += 1;
    timers.set(count, { at: Date.now() + pauseMs, act: () => act(...given) });
    realSetTimeout(runDue, pauseMs);
    return count;
  };
  globalThis.clearTimeout = (id) => timers.delete(id);

  const next = () => [...timers].sort(([, one], [, other]) => one.at - other.at)[0];

  function runDue() {
    for (let due = next(); due !== undefined && due[1].at <= Date.now(); due = next()) {
      timers.delete(due[0]);
      due[1].act();
    }
  }

  globalThis.pass = async (ms) => {
    const end = Date.now() + ms;
    for (let due = next(); due !== undefined && due[1].at <= end; due = next()) {
      aheadMs += Math.max(0, due[1].at - Date.now());
      runDue();
      await new Promise((resolve) => realSetTimeout(resolve));
    }
    aheadMs += Math.max(0, end - Date.now());
  };

  globalThis.jump = (ms) => {
    aheadMs += ms;
    runDue();
  };

  globalThis.passUntil = async (holds) => {
    while (!holds()) {
      await new Promise((resolve) => realSetTimeout(resolve, 20));
      await globalThis.pass(100);
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

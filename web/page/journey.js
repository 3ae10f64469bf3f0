// The browser module's journey, told to the page in the words of its screens.

import { connect } from "./onramp.js";

/**
 * Begin, or go on with, the journey of a link. `told` has `ready()`, `opened()`, `checking()`, `choice(kind,
 * candidates)`, `moved(signup)` and `failed(failure)`; `options` are the module's.
 */
export function begin(options, told) {
  const handle = connect(options);
  let answer = null;
  handle.on("ready", () => told.ready());
  handle.on("opened", () => told.opened());
  handle.on("choice", ({ kind, candidates, choose }) => {
    answer = choose;
    told.choice(kind, candidates);
  });
  handle.on("progress", ({ step, signup }) => {
    if (signup) told.moved(signup);
    else if (step !== "offline") told.checking(); // that one, the page tells by itself
  });
  handle.on("connected", ({ signup }) => told.moved(signup));
  // A number that has failed is shown by its signup, which has been told.
  handle.on("failed", (failure) => failure.code !== "number_failed" && told.failed(failure));
  return {
    open: () => handle.open(),
    close: () => handle.close(),
    choose: (chosen) => answer?.(chosen),
  };
}

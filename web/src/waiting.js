// Time, the connection, and whether anybody looks.

/** @param {number} ms */
export const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });

export const offline = () => navigator.onLine === false;

/** Until one of the events comes, at `window` or the document, and `enough` holds. */
const until = (events, enough) => new Promise((done) => {
  const look = () => {
    if (!enough()) return;
    for (const event of events) removeEventListener(event, look, true);
    done();
  };
  // Captured: what the document is told passes the window first.
  for (const event of events) addEventListener(event, look, true);
  look();
});

/** Until there is a connection, as far as the browser knows. */
export const online = () => until(["online"], () => !offline());

/** Until somebody looks and there is a connection. */
export const seen = () => until(["visibilitychange", "pageshow", "online"], () => !document.hidden && !offline());

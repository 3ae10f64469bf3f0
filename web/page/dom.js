// Elements without markup in texts: nothing that comes from outside is ever read as HTML.

const SVG = "http://www.w3.org/2000/svg";

/** Strokes of the icons, each in a square of 24. */
const ICONS = {
  admin: ["M12 3 5 6v5c0 4.6 2.9 8 7 10 4.1-2 7-5.4 7-10V6z", "m9 12 2.2 2.2L15.2 10"],
  app: [
    "M8 3h8a2 2 0 0 1 2 2v14a2 2 0 0 1-2 2H8a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2z",
    "M12 8v6",
    "m9.5 11.7 2.5 2.5 2.5-2.5",
  ],
  chat: [
    "M6.5 4.5h11a3 3 0 0 1 3 3v6a3 3 0 0 1-3 3h-6L7 20.5v-4h-.5a3 3 0 0 1-3-3v-6a3 3 0 0 1 3-3z",
    "M8 9h8",
    "M8 12.3h5",
  ],
  check: ["m5 12.5 4.6 4.6L19 7.5"],
  display: ["M12 3.5 21.5 20h-19z", "M12 10v4.2", "M12 17.2v.1"],
  lock: [
    "M6 10.5h12a1.5 1.5 0 0 1 1.5 1.5v7a1.5 1.5 0 0 1-1.5 1.5H6A1.5 1.5 0 0 1 4.5 19v-7A1.5 1.5 0 0 1 6 10.5z",
    "M8 10.5V7.6a4 4 0 0 1 8 0v2.9",
  ],
  number: ["M8 3h8a2 2 0 0 1 2 2v14a2 2 0 0 1-2 2H8a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2z", "M10.5 18h3"],
};

/**
 * An element. Properties that begin with `on` are listeners, `class` and names with a dash attributes, the
 * others properties of the element; what is null or false is left out. Children are nodes or texts.
 */
export function el(name, properties, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "class" || key.includes("-") || !(key in node)) {
      node.setAttribute(key, value === true ? "" : value);
    }
    else node[key] = value;
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** A QR code as a picture of that name; rows as `qr` gives them. */
export function square(rows, name) {
  const node = document.createElementNS(SVG, "svg");
  const wide = rows.length + 8; // its margin is a part of it
  const drawn = { viewBox: `-4 -4 ${wide} ${wide}`, role: "img", "aria-label": name, class: "qr" };
  for (const [key, value] of Object.entries(drawn)) {
    node.setAttribute(key, value);
  }
  const path = document.createElementNS(SVG, "path");
  const dark = rows.flatMap((row, y) => row.map((is, x) => (is ? `M${x} ${y}h1v1h-1z` : "")));
  path.setAttribute("d", dark.join(""));
  path.setAttribute("shape-rendering", "crispEdges");
  node.append(path);
  return node;
}

/** An icon that says nothing by itself. */
export function icon(name) {
  const node = document.createElementNS(SVG, "svg");
  const width = name === "check" ? 2.6 : 1.7;
  const line = { "stroke-width": width, "stroke-linecap": "round", "stroke-linejoin": "round" };
  const drawn = { viewBox: "0 0 24 24", fill: "none", stroke: "currentColor", ...line };
  for (const [key, value] of Object.entries(drawn)) {
    node.setAttribute(key, value);
  }
  node.setAttribute("aria-hidden", "true");
  for (const d of ICONS[name]) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", d);
    node.append(path);
  }
  return node;
}

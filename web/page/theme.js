// The partner's colours, made readable: whatever is configured, texts keep 4.5 to 1 and shapes 3 to 1.

const GROUNDS = { light: [246, 247, 246], dark: [22, 29, 26] }; // the less favourable of ground and panel
const BLACK = [12, 21, 18];
const WHITE = [255, 255, 255];
const TEXT = 4.6; // a little above the bound, for what rounding takes away
const SHAPE = 3;

/** `#rgb` or `#rrggbb` as three numbers; null for anything else. */
export function parse(text) {
  const hex = /^#([0-9a-f]{3}|[0-9a-f]{6})$/i.exec(String(text ?? "").trim())?.[1];
  if (!hex) return null;
  const wide = hex.length === 3 ? [...hex].map((digit) => digit + digit).join("") : hex;
  return [0, 2, 4].map((at) => parseInt(wide.slice(at, at + 2), 16));
}

function luminance(colour) {
  const [r, g, b] = colour.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** The contrast of two colours, 1 to 21. */
export function contrast(one, other) {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

const mix = (one, other, share) => one.map((part, at) => Math.round(part + (other[at] - part) * share));
const css = (colour) => `rgb(${colour.join(" ")})`;

/** The colour itself, or moved away from the ground just as far as it must be. */
export function readable(colour, grounds, ratio, away) {
  for (let share = 0; share < 1; share += 0.04) {
    const moved = mix(colour, away, share);
    if (grounds.every((ground) => contrast(moved, ground) >= ratio)) return moved;
  }
  return away;
}

/** What the page's variables hold for one scheme. */
export function colours(scheme, accent) {
  const ground = GROUNDS[scheme];
  const away = scheme === "light" ? BLACK : WHITE;
  const tint = mix(ground, accent, scheme === "light" ? 0.1 : 0.13);
  const shape = readable(accent, [ground], SHAPE, away);
  const on = contrast(shape, WHITE) >= TEXT || contrast(shape, WHITE) > contrast(shape, BLACK) ? WHITE : BLACK;
  return {
    accent: css(readable(shape, [on], TEXT, on === WHITE ? BLACK : WHITE)),
    on: css(on),
    ink: css(readable(accent, [ground, tint], TEXT, away)),
    tint: css(tint),
  };
}

/** Put the colours of `GET /v1/config` into the page. Through the CSSOM: the policy allows no inline style. */
export function paint(page) {
  const light = parse(page?.accent);
  const dark = parse(page?.accent_dark) ?? light;
  for (const [scheme, accent] of Object.entries({ light, dark })) {
    if (!accent) continue;
    for (const [name, value] of Object.entries(colours(scheme, accent))) {
      document.documentElement.style.setProperty(`--${name}-${scheme}`, value);
    }
  }
}

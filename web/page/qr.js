// A QR code of a short text, for the one case that wants it: a computer on which Meta's window does not open, and
// a phone beside it. Bytes, error correction L, versions 1 to 10, by ISO/IEC 18004.

/** By version: bytes of data, of correction in each block, and blocks. */
const SIZES = [
  [19, 7, 1], [34, 10, 1], [55, 15, 1], [80, 20, 1], [108, 26, 1],
  [136, 18, 2], [156, 20, 2], [194, 24, 2], [232, 30, 2], [274, 18, 4],
];
const MASK = 0; // every mask is valid; a reader takes them all
const FORMAT = 0b01 << 3 | MASK; // 01 is level L

// --- Reed and Solomon's code over the field of 256 -----------------------------------------------------

const EXP = new Uint8Array(512);
const LOG = new Uint8Array(256);
for (let power = 0, value = 1; power < 255; power += 1) {
  EXP[power] = EXP[power + 255] = value;
  LOG[value] = power;
  value = value << 1 ^ (value > 127 ? 0x11d : 0);
}
const times = (a, b) => (a && b ? EXP[LOG[a] + LOG[b]] : 0);

function generator(degree) {
  let polynomial = [1];
  for (let root = 0; root < degree; root += 1) {
    const raised = [...polynomial, 0];
    polynomial.forEach((factor, at) => { raised[at + 1] ^= times(factor, EXP[root]); });
    polynomial = raised;
  }
  return polynomial;
}

/** The bytes that correct a block. */
function correction(block, degree) {
  const factors = generator(degree);
  const rest = new Uint8Array(block.length + degree);
  rest.set(block);
  for (let at = 0; at < block.length; at += 1) {
    const lead = rest[at];
    factors.forEach((factor, place) => { rest[at + place] ^= times(factor, lead); });
  }
  return rest.slice(block.length);
}

// --- from text to a row of bits --------------------------------------------------------------------------

function codewords(bytes, version) {
  const [room, degree, count] = SIZES[version - 1];
  const bits = [];
  const put = (value, length) => {
    for (let bit = length - 1; bit >= 0; bit -= 1) bits.push(value >> bit & 1);
  };
  put(0b0100, 4); // bytes
  put(bytes.length, version < 10 ? 8 : 16);
  bytes.forEach((byte) => put(byte, 8));
  put(0, Math.min(4, room * 8 - bits.length));
  while (bits.length % 8) bits.push(0);
  for (let fill = 0; bits.length < room * 8; fill += 1) put(fill % 2 ? 0x11 : 0xec, 8);
  const byteAt = (at) => bits.slice(at * 8, at * 8 + 8).reduce((sum, bit) => sum * 2 + bit, 0);
  const data = Array.from({ length: room }, (_, at) => byteAt(at));

  const short = Math.floor(room / count);
  const blocks = [];
  for (let block = 0, from = 0; block < count; block += 1) {
    const length = short + (block >= count - room % count ? 1 : 0);
    blocks.push(data.slice(from, from + length));
    from += length;
  }
  const corrections = blocks.map((block) => correction(block, degree));
  const woven = [];
  for (const [parts, length] of [[blocks, short + 1], [corrections, degree]]) {
    for (let at = 0; at < length; at += 1) {
      for (const part of parts) if (at < part.length) woven.push(part[at]);
    }
  }
  return woven;
}

// --- the square ------------------------------------------------------------------------------------------

/** Bits that a reader takes a format or a version from, with their own correction. */
function corrected(value, length, divisor, mask) {
  let rest = value << length;
  for (let bit = 31 - Math.clz32(rest); bit >= length; bit = 31 - Math.clz32(rest)) rest ^= divisor << bit - length;
  return (value << length | rest) ^ mask;
}

function alignments(version) {
  if (version === 1) return [];
  const last = version * 4 + 10;
  if (version < 7) return [6, last];
  return [6, (last + 6) / 2, last];
}

/** A QR code as rows of true (dark) and false, without its margin; null for a text that is too long. */
export function qr(text) {
  const bytes = [...new TextEncoder().encode(text)];
  const version = SIZES.findIndex(([room], at) => bytes.length + (at < 9 ? 2 : 3) <= room) + 1;
  if (!version) return null;
  const size = version * 4 + 17;
  const rows = Array.from({ length: size }, () => new Array(size).fill(null));
  const set = (row, column, dark) => { if (rows[row]?.[column] !== undefined) rows[row][column] = Boolean(dark); };

  for (const [top, left] of [[0, 0], [0, size - 7], [size - 7, 0]]) {
    for (let row = -1; row <= 7; row += 1) {
      for (let column = -1; column <= 7; column += 1) {
        const ring = Math.max(Math.abs(row - 3), Math.abs(column - 3));
        set(top + row, left + column, ring !== 2 && ring !== 4);
      }
    }
  }
  const places = alignments(version);
  for (const row of places) {
    for (const column of places) {
      if (rows[row][column] !== null) continue;
      for (let y = -2; y <= 2; y += 1) {
        for (let x = -2; x <= 2; x += 1) set(row + y, column + x, Math.max(Math.abs(y), Math.abs(x)) !== 1);
      }
    }
  }
  for (let at = 8; at < size - 8; at += 1) {
    rows[6][at] ??= at % 2 === 0;
    rows[at][6] ??= at % 2 === 0;
  }
  const format = corrected(FORMAT, 10, 0x537, 0x5412);
  for (let bit = 0; bit < 15; bit += 1) {
    const dark = format >> bit & 1;
    set(bit < 6 ? bit : bit < 8 ? bit + 1 : size - 15 + bit, 8, dark);
    set(8, bit < 8 ? size - 1 - bit : bit === 8 ? 7 : 14 - bit, dark);
  }
  set(size - 8, 8, true);
  if (version >= 7) {
    const told = corrected(version, 12, 0x1f25, 0);
    for (let bit = 0; bit < 18; bit += 1) {
      const [far, near] = [size - 11 + bit % 3, Math.floor(bit / 3)];
      set(far, near, told >> bit & 1);
      set(near, far, told >> bit & 1);
    }
  }

  const bits = codewords(bytes, version).flatMap((byte) => [7, 6, 5, 4, 3, 2, 1, 0].map((bit) => byte >> bit & 1));
  let next = 0;
  let up = true;
  for (let right = size - 1; right > 0; right -= 2) {
    if (right === 6) right -= 1;
    for (let step = 0; step < size; step += 1) {
      const row = up ? size - 1 - step : step;
      for (const column of [right, right - 1]) {
        if (rows[row][column] !== null) continue;
        rows[row][column] = Boolean((bits[next] ?? 0) ^ ((row + column) % 2 === 0 ? 1 : 0));
        next += 1;
      }
    }
    up = !up;
  }
  return rows;
}

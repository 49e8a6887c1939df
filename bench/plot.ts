// Curves as SVG, both axes logarithmic: what grows as its cause does is a straight line.

/** A curve. */
export interface Curve {
  readonly name: string;
  /** From left to right; what is not above zero is left out. */
  readonly points: readonly (readonly [x: number, y: number])[];
}

const WIDTH = 720;
const HEIGHT = 400;
const LEFT = 70;
const RIGHT = 20;
const TOP = 40;
const BOTTOM = 70;
const COLORS = ["#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e"];

/** Draws curves over the same cause. */
export function plot(title: string, xName: string, curves: readonly Curve[]): string {
  const shown = curves.map(({ name, points }) => ({
    name,
    points: points.filter(([x, y]) => x > 0 && y > 0),
  }));
  const all = shown.flatMap(({ points }) => points);
  const x = axis(
    all.map(([value]) => value),
    LEFT,
    WIDTH - RIGHT,
  );
  const y = axis(
    all.map(([, value]) => value),
    HEIGHT - BOTTOM,
    TOP,
  );
  const grid = [
    ...x.decades.flatMap((value) => [
      line(x.at(value), TOP, x.at(value), HEIGHT - BOTTOM),
      text(x.at(value), HEIGHT - BOTTOM + 18, short(value), "middle"),
    ]),
    ...y.decades.flatMap((value) => [
      line(LEFT, y.at(value), WIDTH - RIGHT, y.at(value)),
      text(LEFT - 8, y.at(value) + 4, short(value), "end"),
    ]),
  ];
  const drawn = shown.flatMap(({ name, points }, at) => {
    const color = COLORS[at % COLORS.length] ?? "black";
    const places = points.map(([px, py]) => [x.at(px).toFixed(1), y.at(py).toFixed(1)] as const);
    const label = LEFT + at * ((WIDTH - LEFT - RIGHT) / shown.length);
    return [
      `<polyline fill="none" stroke="${color}" stroke-width="2" points="${places.map(String).join(" ")}"/>`,
      ...places.map(([px, py]) => `<circle cx="${px}" cy="${py}" r="3" fill="${color}"/>`),
      `<rect x="${label}" y="${HEIGHT - 24}" width="12" height="12" fill="${color}"/>`,
      text(label + 17, HEIGHT - 14, name, "start"),
    ];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>`,
    `<text x="${LEFT}" y="22" font-size="15">${escaped(title)}</text>`,
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - BOTTOM + 36, xName, "middle"),
    ...grid,
    ...drawn,
    "</svg>",
    "",
  ].join("\n");
}

function axis(values: readonly number[], from: number, to: number) {
  const low = Math.floor(Math.log10(Math.min(...values)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))));
  const at = (value: number): number => from + ((Math.log10(value) - low) / (high - low)) * (to - from);
  const decades = Array.from({ length: high - low + 1 }, (_, step) => 10 ** (low + step));
  return { at, decades };
}

function line(x1: number, y1: number, x2: number, y2: number): string {
  return `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="#ddd"/>`;
}

function text(x: number, y: number, content: string, anchor: string): string {
  return `<text x="${x}" y="${y}" text-anchor="${anchor}">${escaped(content)}</text>`;
}

function short(value: number): string {
  return value < 1 ? String(Number(value.toPrecision(1))) : value.toLocaleString("en-US");
}

function escaped(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

// The slow, obvious twin of the server: random points and every answer computed by looking at all of them.

// A small generator with a seed (mulberry32): the same points in every run.
export function randomNumbers(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export const COLOURS = ['red', 'green', 'blue'];

export function makePoints(count, dim, seed = 1) {
  const random = randomNumbers(seed);
  return Array.from({ length: count }, (_, i) => ({
    id: i + 1,
    vector: Array.from({ length: dim }, () => Math.fround(random() * 2 - 1)),
    payload: { colour: COLOURS[i % 3], size: i % 50, price: i / 8, open: i % 2 === 0, tags: [`t${i % 4}`, `u${i % 5}`] },
  }));
}

const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
const norm = (a) => Math.sqrt(dot(a, a));

export const SCORES = {
  Dot: dot,
  Cosine: (a, b) => dot(a, b) / (norm(a) * norm(b)),
  Euclid: (a, b) => Math.sqrt(a.reduce((sum, x, i) => sum + (x - b[i]) ** 2, 0)),
};

// [{ id, score }], best first. `width`: only leading coordinates.
export function nearest(points, query, distance, { accept = () => true, limit = 10, width = query.length } = {}) {
  const head = query.slice(0, width);
  const direction = distance === 'Euclid' ? 1 : -1;
  return points
    .filter(accept)
    .map((point) => ({ id: point.id, score: SCORES[distance](point.vector.slice(0, width), head) }))
    .sort((a, b) => direction * (a.score - b.score))
    .slice(0, limit);
}

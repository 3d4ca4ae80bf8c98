// The query interface of the current client, and what only Nestor has: nested vectors.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { QdrantClient } from '@qdrant/js-client-rest';
import { makePoints, nearest, SCORES } from './brute_force.mjs';
import { startServer } from './server.mjs';

const DIM = 64;
const points = makePoints(600, DIM);
const [q, r] = makePoints(2, DIM, 5).map((point) => point.vector);
const ids = (hits) => hits.map((hit) => hit.id);
const brute = (query, options) => ids(nearest(points, query, 'Euclid', options));

let server, client;
before(async () => {
  server = await startServer();
  client = new QdrantClient({ url: server.url });
  await client.createCollection('c', {
    vectors: { size: DIM, distance: 'Euclid', matryoshka: { widths: [16, 32, 64] } },
  });
  await client.upsert('c', { wait: true, points });
});
after(() => server.stop());

const query = async (body) => (await client.query('c', body)).points;

test('the client finds a version it knows', async () => {
  const warnings = [];
  const warn = console.warn;
  console.warn = (line) => warnings.push(line);
  await client.versionInfo();
  new QdrantClient({ url: server.url });
  await new Promise((resolve) => setTimeout(resolve, 300));  // its check is not awaited
  console.warn = warn;
  assert.deepEqual(warnings, []);
});

test('nearest, by vector, by id and by page', async () => {
  assert.deepEqual(ids(await query({ query: q })), brute(q));
  assert.deepEqual(ids(await query({ query: q, limit: 4, offset: 3 })), brute(q, { limit: 7 }).slice(3));
  assert.deepEqual(ids(await query({ query: 7, limit: 3 })), brute(points[6].vector, { limit: 4 }).slice(1));
  const threshold = nearest(points, q, 'Euclid')[4].score;
  assert.equal((await query({ query: q, score_threshold: threshold - 1e-5 })).length, 4);
  const [hit] = await query({ query: q, limit: 1, with_payload: { exclude: ['tags'] }, with_vector: true });
  assert.deepEqual(hit.vector.map(Math.fround), points[hit.id - 1].vector);
  assert.deepEqual(Object.keys(hit.payload).sort(), ['colour', 'open', 'price', 'size']);
  const batch = await client.queryBatch('c', { searches: [{ query: q, limit: 2 }, { query: r, limit: 2 }] });
  assert.deepEqual(batch.map((answer) => ids(answer.points)), [brute(q, { limit: 2 }), brute(r, { limit: 2 })]);
});

test('prefetches, nested prefetches and their fusion', async () => {
  const candidates = new Set(brute(q, { limit: 30 }));
  assert.deepEqual(
    ids(await query({ prefetch: { query: q, limit: 30 }, query: r, limit: 5 })),
    brute(r, { accept: (p) => candidates.has(p.id), limit: 5 }),
  );
  const lists = [brute(q, { limit: 20 }), brute(r, { limit: 20 })];
  const scores = new Map();
  for (const list of lists) list.forEach((id, rank) => scores.set(id, (scores.get(id) ?? 0) + 1 / (rank + 2)));
  const expected = [...scores].sort((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, 10);
  const prefetch = [q, r].map((vector) => ({ query: vector, limit: 20 }));
  const fused = await query({ prefetch, query: { fusion: 'rrf' } });
  assert.deepEqual(ids(fused), expected.map(([id]) => id));
  const dbsf = await query({ prefetch, query: { fusion: 'dbsf' }, limit: 40 });
  assert.deepEqual(new Set(ids(dbsf)), new Set(lists.flat()));
});

test('recommendations, discoveries, orders and samples', async () => {
  const [a, b] = [points[0].vector, points[1].vector];
  const toExamples = a.map((x, i) => 2 * x - b[i]);
  assert.deepEqual(
    ids(await query({ query: { recommend: { positive: [1], negative: [2] } }, limit: 5 })),
    brute(toExamples, { accept: (p) => p.id > 2, limit: 5 }),
  );
  const squash = (x) => (x / (1 + Math.abs(x)) + 1) / 2;
  const near = (p, vector) => -(SCORES.Euclid(p.vector, vector) ** 2);
  const best = points
    .filter((p) => p.id > 2)
    .map((p) => ({ id: p.id, score: near(p, a) > near(p, b) ? squash(near(p, a)) : -squash(near(p, b)) }))
    .sort((x, y) => y.score - x.score);
  const found = await query({ query: { recommend: { positive: [1], negative: [2], strategy: 'best_score' } }, limit: 20 });
  assert.deepEqual(ids(found), ids(best.slice(0, 20)));
  found.forEach((hit, i) => assert.ok(Math.abs(hit.score - best[i].score) < 1e-5, `${hit.score} ${best[i].score}`));
  const pair = (p, x, y) => Math.min(near(p, x) - near(p, y), 0) / (1 - Math.min(near(p, x) - near(p, y), 0));
  const context = [{ positive: 1, negative: 2 }, { positive: 3, negative: 1 }];
  const inContext = points
    .filter((p) => p.id > 3)
    .map((p) => ({ id: p.id, score: pair(p, a, b) + pair(p, points[2].vector, a) }))
    .sort((x, y) => y.score - x.score || x.id - y.id);
  const contextHits = await query({ query: { context }, limit: 20 });
  contextHits.forEach((hit, i) => assert.ok(Math.abs(hit.score - inContext[i].score) < 1e-4));
  assert.ok((await query({ limit: 3 })).every((hit) => hit.score === 1));
  const cheap = await query({ query: { order_by: { key: 'price', direction: 'desc' } }, limit: 3 });
  assert.deepEqual(ids(cheap), [600, 599, 598]);
  const sample = await query({ query: { sample: 'random' }, limit: 50 });
  assert.equal(new Set(ids(sample)).size, 50);
  const page = await client.scroll('c', { order_by: { key: 'price', start_from: 10 }, limit: 3 });
  assert.deepEqual(page.points.map((p) => p.order_value), [10, 10.125, 10.25]);
});

test('groups, facets and matrices', async () => {
  const { groups } = await client.queryGroups('c', { query: q, group_by: 'tags', limit: 3, group_size: 2 });
  for (const { id, hits } of groups)
    assert.deepEqual(ids(hits), brute(q, { accept: (p) => p.payload.tags.includes(id), limit: 2 }));
  const { hits } = await client.facet('c', { key: 'colour' });
  assert.deepEqual(hits, ['blue', 'green', 'red'].map((value) => ({ value, count: 200 })));
  const { pairs } = await client.searchMatrixPairs('c', { sample: 20, limit: 2 });
  assert.equal(pairs.length, 40);
  for (const { a, b, score } of pairs)
    assert.ok(Math.abs(score - SCORES.Euclid(points[a - 1].vector, points[b - 1].vector)) < 1e-4);
});

test('one stored vector answers at every width', async () => {
  const at32 = await client.query('c', {
    query: q, params: { matryoshka: { width: 32, explain: true } }, with_vector: true, limit: 5,
  });
  assert.deepEqual(ids(at32.points), brute(q, { width: 32, limit: 5 }));
  assert.equal(at32.points[0].vector.length, 32);
  assert.ok(at32.explain.length > 0);
  for (const stage of at32.explain) assert.equal(typeof stage.stopped_because, 'string');
  assert.deepEqual(ids(await query({ query: q.slice(0, 16), limit: 5 })), brute(q, { width: 16, limit: 5 }));
  const coarse = new Set(brute(q, { width: 16, limit: 50 }));
  const funnel = await query({
    prefetch: { query: q, limit: 50, params: { matryoshka: { width: 16 } } }, query: q, limit: 5,
  });
  assert.deepEqual(ids(funnel), brute(q, { accept: (p) => coarse.has(p.id), limit: 5 }));
});

test('vectors may be base64 of float32', async () => {
  const base64 = Buffer.from(new Float32Array(q).buffer).toString('base64');
  assert.deepEqual(ids(await query({ query: base64 })), brute(q));
  const prefix = Buffer.from(new Float32Array(q.slice(0, 16)).buffer).toString('base64');
  const params = { matryoshka: { width: 16 } };
  assert.deepEqual(ids(await query({ query: prefix, params })), brute(q, { width: 16 }));
  await assert.rejects(query({ query: prefix }), { status: 400 });
});

test('each query of a batch has its own parameters', async () => {
  const searches = [16, 32].map((width) => ({ query: q, limit: 5, params: { matryoshka: { width, explain: true } } }));
  searches.push({ query: q, limit: 5, params: { exact: true } });
  const answers = await client.queryBatch('c', { searches });
  assert.deepEqual(answers.map((answer) => ids(answer.points)), [16, 32, 64].map((width) => brute(q, { width, limit: 5 })));
  assert.deepEqual(answers.map((answer) => Boolean(answer.explain)), [true, true, false]);
});

test('metadata is merged by a change of the collection', async () => {
  await client.updateCollection('c', { metadata: { a: 1, b: { c: 2 } } });
  const put = await fetch(`${server.url}/collections/c`, { method: 'PATCH', body: '{"metadata":{"a":null,"d":"x"}}' });
  assert.equal(put.status, 200);
  assert.equal((await client.getCollection('c')).config.metadata.d, 'x');
  assert.equal((await client.getCollection('c')).config.metadata.a, undefined);
});

test('ids beyond what JavaScript can count keep every digit', async () => {
  const big = '18446744073709551615';
  const put = await fetch(`${server.url}/collections/c/points?wait=true`, {
    method: 'PUT', body: `{"points":[{"id":${big},"vector":[${q}],"payload":{"n":${big}}}]}`,
  });
  assert.equal(put.status, 200);
  const text = await (await fetch(`${server.url}/collections/c/points/${big}`)).text();
  assert.ok(text.includes(`"id":${big}`) && text.includes(`"n":${big}`), text);
  await client.delete('c', { wait: true, filter: { must: [{ is_empty: { key: 'colour' } }] } });
  assert.equal((await client.count('c')).count, 600);
});

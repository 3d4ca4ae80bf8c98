// What both generations of the JavaScript client offer, against brute force.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { QdrantClient as CurrentClient } from '@qdrant/js-client-rest';
import { QdrantClient as OlderClient } from 'older-js-client-rest';
import { COLOURS, makePoints, nearest } from './brute_force.mjs';
import { startServer } from './server.mjs';

const DIM = 32;
const points = makePoints(500, DIM);
const queries = makePoints(20, DIM, 99).map((point) => point.vector);
const ids = (hits) => hits.map((hit) => hit.id);

let server;
before(async () => (server = await startServer()));
after(() => server.stop());

// Same ids in the same order, and scores to five digits.
function assertHits(hits, expected) {
  assert.deepEqual(ids(hits), ids(expected));
  hits.forEach((hit, i) => assert.ok(Math.abs(hit.score - expected[i].score) < 1e-4, `${hit.score} ${expected[i].score}`));
}

async function fill(client, name, distance, more = {}) {
  await client.createCollection(name, { vectors: { size: DIM, distance, ...more } });
  await client.upsert(name, { wait: true, points });
}

for (const [version, Client] of [['1.18', CurrentClient], ['1.9', OlderClient]]) {
  describe(`js-client-rest ${version}`, () => {
    let client;
    before(() => (client = new Client({ url: server.url, checkCompatibility: false })));
    after(async () => {
      for (const { name } of (await client.getCollections()).collections) await client.deleteCollection(name);
    });

    // The older client hands over the whole answer of a few calls.
    const plain = (answer) => answer?.data?.result ?? answer;

    test('collections are made, described, listed and deleted', async () => {
      assert.equal(await client.createCollection('life', { vectors: { size: 4, distance: 'Dot' } }), true);
      assert.deepEqual((await client.getCollections()).collections, [{ name: 'life' }]);
      const info = await client.getCollection('life');
      assert.equal(info.status, 'green');
      assert.equal(info.points_count, 0);
      assert.deepEqual([info.config.params.vectors.size, info.config.params.vectors.distance], [4, 'Dot']);
      assert.equal(plain(await client.updateCollection('life', { optimizers_config: { indexing_threshold: 1 } })), true);
      assert.equal((await client.getCollection('life')).config.optimizer_config.indexing_threshold, 1);
      await assert.rejects(client.updateCollection('life', { hnsw_config: { m: 32 } }), { status: 400 });
      await assert.rejects(client.createCollection('life', { vectors: { size: 4, distance: 'Dot' } }), { status: 409 });
      assert.equal(plain(await client.recreateCollection('life', { vectors: { size: 8, distance: 'Dot' } })), true);
      assert.equal(await client.deleteCollection('life'), true);
      assert.equal(await client.deleteCollection('life'), false);
      await assert.rejects(client.getCollection('life'), { status: 404 });
    });

    for (const distance of ['Cosine', 'Euclid', 'Dot'])
      test(`search by ${distance} finds what brute force finds`, async () => {
        const name = `by ${distance}`;
        await fill(client, name, distance);
        for (const vector of queries) {
          const found = await client.search(name, { vector, limit: 10, params: { exact: false } });
          assertHits(found, nearest(points, vector, distance));
        }
        const searches = queries.map((vector) => ({ vector, limit: 3, offset: 2 }));
        const batch = await client.searchBatch(name, { searches });
        batch.forEach((hits, i) => assertHits(hits, nearest(points, queries[i], distance, { limit: 5 }).slice(2)));
      });

    test('filters mean what their words say', async () => {
      await fill(client, 'filtered', 'Euclid');
      const cases = [
        [{ must: [{ key: 'colour', match: { value: 'red' } }] }, (p) => p.payload.colour === 'red'],
        [{ must: [{ key: 'size', range: { gte: 10, lt: 13 } }] }, (p) => p.payload.size >= 10 && p.payload.size < 13],
        [{ must_not: [{ key: 'colour', match: { any: ['red', 'blue'] } }] }, (p) => p.payload.colour === 'green'],
        [{ should: [{ key: 'tags', match: { value: 't1' } }, { has_id: [1, 2] }] },
          (p) => p.payload.tags.includes('t1') || p.id <= 2],
        [{ must: [{ key: 'open', match: { value: true } }, { key: 'colour', match: { except: ['red'] } }] },
          (p) => p.payload.open && p.payload.colour !== 'red'],
        [{ must: [{ is_empty: { key: 'nothing' } }] }, () => true],
      ];
      for (const indexed of [false, true]) {
        if (indexed)
          for (const [field_name, field_schema] of
            [['colour', 'keyword'], ['size', 'integer'], ['tags', 'keyword'], ['open', 'bool']]) {
            const made = await client.createPayloadIndex('filtered', { wait: true, field_name, field_schema });
            assert.equal(made.status, 'completed');
          }
        for (const [filter, accept] of cases) {
          const counted = await client.count('filtered', { filter, exact: true });
          assert.equal(counted.count, points.filter(accept).length);
          const found = await client.search('filtered', { vector: queries[0], limit: 10, filter });
          assertHits(found, nearest(points, queries[0], 'Euclid', { accept }));
        }
      }
      assert.equal((await client.getCollection('filtered')).payload_schema.colour.points, 500);
      assert.equal((await client.deletePayloadIndex('filtered', 'colour')).status, 'completed');
    });

    test('scrolling visits every point once', async () => {
      await fill(client, 'scrolled', 'Dot');
      const seen = [];
      let offset;
      do {
        const page = await client.scroll('scrolled', { limit: 77, offset, with_payload: ['size'], with_vector: true });
        seen.push(...page.points);
        offset = page.next_page_offset;
      } while (offset);
      assert.deepEqual(ids(seen), ids(points));
      seen.forEach((record, i) => {
        assert.deepEqual(record.payload, { size: points[i].payload.size });
        assert.deepEqual(record.vector.map(Math.fround), points[i].vector);
      });
    });

    test('points are retrieved, changed and deleted', async () => {
      await fill(client, 'changed', 'Dot');
      await client.setPayload('changed', { payload: { extra: { deep: 1 } }, points: [1, 2], wait: true });
      await client.overwritePayload('changed', { payload: { only: true }, points: [3], wait: true });
      await client.deletePayload('changed', { keys: ['tags'], points: [4], wait: true });
      await client.clearPayload('changed', { points: [5], wait: true });
      await client.updateVectors('changed', { points: [{ id: 6, vector: queries[0] }], wait: true });
      const found = await client.retrieve('changed', { ids: [1, 3, 4, 5, 6, 9999], with_vector: true });
      assert.deepEqual(ids(found), [1, 3, 4, 5, 6]);
      assert.deepEqual(found[0].payload, { ...points[0].payload, extra: { deep: 1 } });
      assert.deepEqual(found[1].payload, { only: true });
      assert.equal(found[2].payload.tags, undefined);
      assert.deepEqual(found[3].payload, {});
      assert.deepEqual(found[4].vector.map(Math.fround), queries[0]);
      assert.deepEqual(found[4].payload, points[5].payload);
      await client.delete('changed', { points: [1], wait: true });
      await client.delete('changed', { filter: { must: [{ key: 'colour', match: { value: 'green' } }] }, wait: true });
      const left = points.filter((p) => p.id !== 1 && (p.payload.colour !== 'green' || [3, 5].includes(p.id)));
      assert.equal((await client.count('changed')).count, left.length);
      await assert.rejects(client.deleteVectors('changed', { points: [6], vector: [''] }), { status: 400 });
    });

    test('a batch of updates runs in order', async () => {
      await client.createCollection('batched', { vectors: { size: 2, distance: 'Dot' } });
      const results = await client.batchUpdate('batched', {
        wait: true,
        operations: [
          { upsert: { points: [{ id: 1, vector: [1, 2], payload: { a: 1 } }, { id: 2, vector: [3, 4] }] } },
          { set_payload: { payload: { b: 2 }, points: [1] } },
          { update_vectors: { points: [{ id: 2, vector: [5, 6] }] } },
          { delete: { points: [7] } },
        ],
      });
      assert.deepEqual(results.map((result) => result.status), Array(4).fill('completed'));
      const [one, two] = await client.retrieve('batched', { ids: [1, 2], with_vector: true });
      assert.deepEqual(one.payload, { a: 1, b: 2 });
      assert.deepEqual(two.vector, [5, 6]);
    });

    test('recommendations leave their examples out', async () => {
      await fill(client, 'recommended', 'Euclid');
      const average = points[0].vector.map((x, i) => (x + points[1].vector[i]) / 2);
      const accept = (p) => p.id > 2;
      const found = await client.recommend('recommended', { positive: [1, 2], limit: 5 });
      assertHits(found, nearest(points, average, 'Euclid', { accept, limit: 5 }));
      const best = await client.recommend('recommended', { positive: [1], negative: [2], strategy: 'best_score', limit: 5 });
      assert.equal(best.length, 5);
      assert.ok(best.every((hit, i) => accept(hit) && (i === 0 || hit.score <= best[i - 1].score)));
    });

    test('groups hold the best hits of each value', async () => {
      await fill(client, 'grouped', 'Euclid');
      const { groups } = await client.searchPointGroups('grouped', {
        vector: queries[1], group_by: 'colour', group_size: 4, limit: 3,
      });
      assert.deepEqual(groups.map((group) => group.id).sort(), [...COLOURS].sort());
      for (const { id, hits } of groups)
        assertHits(hits, nearest(points, queries[1], 'Euclid', { accept: (p) => p.payload.colour === id, limit: 4 }));
    });

    test('aliases switch from one collection to another', async () => {
      await client.createCollection('v1', { vectors: { size: 2, distance: 'Dot' } });
      await client.createCollection('v2', { vectors: { size: 2, distance: 'Dot' } });
      await client.upsert('v2', { wait: true, points: [{ id: 1, vector: [1, 1] }] });
      await client.updateCollectionAliases({ actions: [{ create_alias: { collection_name: 'v1', alias_name: 'live' } }] });
      assert.equal((await client.count('live')).count, 0);
      await client.updateCollectionAliases({
        actions: [{ delete_alias: { alias_name: 'live' } }, { create_alias: { collection_name: 'v2', alias_name: 'live' } }],
      });
      assert.equal((await client.count('live')).count, 1);
      assert.deepEqual((await client.getAliases()).aliases, [{ alias_name: 'live', collection_name: 'v2' }]);
      assert.deepEqual((await client.getCollectionAliases('v1')).aliases, []);
    });

    test('a named vector and UUIDs', async () => {
      await client.createCollection('named', { vectors: { text: { size: 2, distance: 'Cosine' } } });
      const id = '550e8400-e29b-41d4-a716-446655440000';
      await client.upsert('named', { wait: true, points: [{ id, vector: { text: [3, 4] } }, { id: 8, vector: { text: [1, 0] } }] });
      const found = await client.search('named', { vector: { name: 'text', vector: [3, 4] }, limit: 1, with_vector: true });
      assert.equal(found[0].id, id);
      assert.ok(Math.abs(found[0].vector.text[0] - 0.6) < 1e-6);
      assert.deepEqual(ids((await client.scroll('named', { limit: 5 })).points), [8, id]);
    });

    test('what a creation set reads back, and its vectors hold nothing but the dialect', async () => {
      await client.createCollection('shown', {
        vectors: { size: 4, distance: 'Cosine', on_disk: true, hnsw_config: { m: 8 } },
        hnsw_config: { ef_construct: 50 },
        optimizers_config: { default_segment_number: 2 },
        replication_factor: 2,
      });
      const { config, warnings } = await client.getCollection('shown');
      assert.deepEqual(config.params.vectors, { size: 4, distance: 'Cosine', on_disk: true, hnsw_config: { m: 8 } });
      assert.deepEqual(config.params.matryoshka.widths, [4]);
      assert.equal(config.hnsw_config.ef_construct, 50);
      assert.equal(config.optimizer_config.default_segment_number, 2);
      assert.deepEqual(warnings.map(({ message }) => message.split('`')[1]),
        ['replication_factor', 'optimizers_config.default_segment_number']);
      const unknown = { vectors: { size: 4, distance: 'Dot', colour: 'red' } };
      await assert.rejects(client.createCollection('unknown', unknown), { status: 400 });
    });

    test('payloads are selected by path, on every way that shows them', async () => {
      await client.createCollection('paths', { vectors: { size: 2, distance: 'Euclid' } });
      const payload = { a: { b: 1, secret: 2 }, l: [{ x: 1, y: 2 }, { x: 3 }] };
      await client.upsert('paths', { wait: true, points: [{ id: 1, vector: [0, 1], payload }] });
      const cases = [
        [['a.b'], { a: { b: 1 } }],
        [{ include: ['l[].x'] }, { l: [{ x: 1 }, { x: 3 }] }],
        [{ exclude: ['a.secret'] }, { a: { b: 1 }, l: payload.l }],
        [['l.x'], { l: [] }],
      ];
      for (const [with_payload, shown] of cases) {
        assert.deepEqual((await client.scroll('paths', { with_payload })).points[0].payload, shown);
        assert.deepEqual((await client.retrieve('paths', { ids: [1], with_payload }))[0].payload, shown);
        assert.deepEqual((await client.search('paths', { vector: [0, 1], limit: 1, with_payload }))[0].payload, shown);
      }
    });

    test('a zero vector is stored under Cosine and ranks by a similarity of 0', async () => {
      await client.createCollection('zero', { vectors: { size: 2, distance: 'Cosine' } });
      const vectors = [[0, 0], [1, 0], [-1, 0]];
      await client.upsert('zero', { wait: true, points: vectors.map((vector, id) => ({ id, vector })) });
      const found = await client.search('zero', { vector: [2, 0], limit: 3 });
      assert.deepEqual(found.map(({ id, score }) => [id, score]), [[1, 1], [0, 0], [2, -1]]);
    });

    test('a limit may be larger than the collection', async () => {
      await fill(client, 'all', 'Dot');
      assert.equal((await client.search('all', { vector: queries[0], limit: 1_000_000 })).length, 500);
      assert.equal((await client.scroll('all', { limit: 1_000_000 })).points.length, 500);
    });

    test('mistakes come back as typed errors that say what was wrong', async () => {
      await client.createCollection('strict', { vectors: { size: 256, distance: 'Dot' } });
      const wrong = { wait: true, points: [{ id: 1, vector: [1, 2, 3] }] };
      await assert.rejects(client.upsert('strict', wrong), (error) => {
        assert.equal(error.status, 400);
        assert.equal(error.data.status.error, 'Wrong input: Vector dimension error: expected dim: 256, got 3');
        return true;
      });
      await assert.rejects(client.search('absent', { vector: [1], limit: 1 }), (error) => {
        assert.equal(error.status, 404);
        assert.equal(error.data.status.error, "Not found: Collection `absent` doesn't exist!");
        return true;
      });
      const sparse = { vectors: { size: 2, distance: 'Dot' }, sparse_vectors: { words: {} } };
      await assert.rejects(client.createCollection('sparse', sparse), { status: 400 });
    });
  });
}

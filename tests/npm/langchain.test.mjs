// LangChain's store, as its users run it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Document } from '@langchain/core/documents';
import { Embeddings } from '@langchain/core/embeddings';
import { QdrantVectorStore } from '@langchain/qdrant';
import { startServer } from './server.mjs';

// Counts letters: near texts have near vectors, without a model.
class LetterEmbeddings extends Embeddings {
  constructor() {
    super({});
  }
  async embedQuery(text) {
    const counts = Array(26).fill(0.01);
    for (const letter of text.toLowerCase()) if (letter >= 'a' && letter <= 'z') counts[letter.charCodeAt(0) - 97] += 1;
    return counts;
  }
  async embedDocuments(texts) {
    return Promise.all(texts.map((text) => this.embedQuery(text)));
  }
}

const texts = ['alpha beta', 'gamma delta', 'alpha alpha', 'zulu xray', 'beta beta beta'];
const documents = texts.map((pageContent, i) => new Document({ pageContent, metadata: { number: i, even: i % 2 === 0 } }));

let server, store, cosine;
before(async () => {
  server = await startServer();
  const embeddings = new LetterEmbeddings();
  store = await QdrantVectorStore.fromDocuments(documents, embeddings, { url: server.url, collectionName: 'texts' });
  const vectors = await embeddings.embedDocuments(texts);
  const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
  cosine = async (text) => {
    const query = await embeddings.embedQuery(text);
    return texts
      .map((pageContent, i) => [pageContent, dot(query, vectors[i]) / Math.sqrt(dot(query, query) * dot(vectors[i], vectors[i]))])
      .sort((a, b) => b[1] - a[1]);
  };
});
after(() => server.stop());

test('similarity search with scores agrees with brute force', async () => {
  const found = await store.similaritySearchWithScore('alpha', 3);
  const expected = (await cosine('alpha')).slice(0, 3);
  assert.deepEqual(found.map(([document]) => document.pageContent), expected.map(([text]) => text));
  found.forEach(([, score], i) => assert.ok(Math.abs(score - expected[i][1]) < 1e-5));
});

test('filters on metadata', async () => {
  const found = await store.similaritySearch('alpha', 5, { must: [{ key: 'metadata.even', match: { value: false } }] });
  assert.deepEqual(found.map((document) => document.metadata.number).sort(), [1, 3]);
});

test('maximal marginal relevance', async () => {
  const found = await store.maxMarginalRelevanceSearch('alpha beta', { k: 3, fetchK: 5, lambda: 0.3 });
  assert.equal(found.length, 3);
  assert.equal(found[0].pageContent, 'alpha beta');
});

test('documents are added to a collection that exists and deleted by filter', async () => {
  const again = await QdrantVectorStore.fromExistingCollection(new LetterEmbeddings(), { url: server.url, collectionName: 'texts' });
  await again.addDocuments([new Document({ pageContent: 'quiz', metadata: { number: 9 } })]);
  assert.equal((await again.similaritySearch('quiz', 1))[0].pageContent, 'quiz');
  await again.delete({ filter: { must: [{ key: 'metadata.number', match: { value: 9 } }] } });
  assert.notEqual((await again.similaritySearch('quiz', 1))[0].pageContent, 'quiz');
});

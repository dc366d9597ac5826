// Buffers, JSON, compression in the pool of threads, a worker, a child process, an error: node.js N.
const { Worker, isMainThread, parentPort } = require('worker_threads');
const { execFileSync } = require('child_process');
const { promisify } = require('util');
const zlib = require('zlib');

async function main() {
  const rows = [];
  for (let i = 0; i < Number(process.argv[2]); i++) rows.push({ i, text: 'x'.repeat(i % 50), bytes: Buffer.alloc(100, i) });
  const parts = [0, 1, 2, 3].map(n => promisify(zlib.gzip)(JSON.stringify(rows.slice(n * 500, n * 500 + 500))));
  console.log((await Promise.all(parts)).map(part => zlib.gunzipSync(part).length));
  const worker = new Worker(__filename);
  console.log('worker', await new Promise(resolve => worker.on('message', resolve)));
  await worker.terminate();
  console.log(execFileSync('echo', ['from a child']).toString());
  process.exitCode = 3;
}

if (isMainThread) main();
else parentPort.postMessage(new Map(Array.from({ length: 10000 }, (_, i) => ['key ' + i, [i]])).size);

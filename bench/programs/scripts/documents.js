// documents.js SIZE: SIZE times 200 documents, written as JSON and read again.  Prints a checksum.
'use strict';
const { createHash } = require('crypto');

let state = 6;
function random(n) {
  state = Math.imul(state, 1103515245) + 12345 >>> 0;
  return (state >>> 8) % n;
}

function part(n) {
  return { title: `part ${n}`, words: 'x'.repeat(random(40)), share: random(1000) / 8, next: null };
}

const hash = createHash('sha256');
for (let n = 0; n < Number(process.argv[2]); n++) {
  const documents = Array.from({ length: 200 }, (_, id) => ({
    id,
    author: { name: `author ${random(100)}` },
    parts: Array.from({ length: random(30) + 1 }, (_, k) => part(k)),
  }));
  const copy = JSON.parse(JSON.stringify(documents));
  copy.sort((a, b) => b.parts.length - a.parts.length || a.id - b.id);
  hash.update(JSON.stringify(copy, null, 1));
}
console.log(hash.digest('hex'));

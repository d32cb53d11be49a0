// buffers.js SIZE: SIZE buffers of 8 KiB to 512 KiB, packed, unpacked, cut, joined and hashed.
// Their bytes lie outside v8's heap, in malloc, and are freed when the collector finds them dead.
// Prints a checksum.
'use strict';
const { createHash } = require('crypto');
const zlib = require('zlib');

let state = 7;
function random(n) {
  state = Math.imul(state, 1103515245) + 12345 >>> 0;
  return (state >>> 8) % n;
}

const hash = createHash('sha256');
const kept = [];
for (let n = 0; n < Number(process.argv[2]); n++) {
  const data = Buffer.alloc(8192 << random(7), `${n} and ${random(1000)} `);
  const packed = zlib.deflateSync(data, { level: 1 });
  const text = zlib.inflateSync(packed).toString('latin1', 0, 20000).toUpperCase();
  kept[random(64)] = Buffer.concat([Buffer.from(text, 'utf16le'), packed, data.subarray(0, 9000)]);
  hash.update(packed);
}
for (const buffer of kept)
  if (buffer)
    hash.update(buffer);
console.log(hash.digest('hex'));

// Worker threads that pass buffers and objects to and fro, and the addons that use malloc most:
// zlib and crypto in the thread pool, vm contexts, child processes.
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const { execFileSync } = require('child_process');
const { createHash } = require('crypto');
const zlib = require('zlib');
const vm = require('vm');

const sha = data => createHash('sha256').update(data).digest('hex');

function work(n) {
	const words = new Map();
	for (let i = 0; i < 200000; i++) {
		const word = 'w' + (i * (7919 + n)) % 1009;
		words.set(word, ((words.get(word) || '') + i).slice(-200));
	}
	const text = JSON.stringify([...words].sort());
	const buffers = Array.from({ length: 2000 }, (_, i) => Buffer.alloc(i * 37 % 5000, i));
	const packed = zlib.deflateSync(text + sha(Buffer.concat(buffers)));
	const context = vm.createContext({ text });
	return sha(packed) + vm.runInContext('text.length', context);
}

async function main() {
	for (let round = 0; round < 3; round++) {
		const answers = Array.from({ length: 6 }, (_, n) => new Promise((resolve, reject) => {
			const worker = new Worker(__filename, { workerData: { n } });
			const buffer = new ArrayBuffer(1 << 20);
			let answer;
			worker.on('message', message => { answer = message; });
			worker.on('error', reject);
			worker.on('exit', code => code ? reject(new Error('exit ' + code)) : resolve(answer));
			worker.postMessage({ buffer, nested: { list: [n, { n }] } }, [buffer]);
		}));
		for (const { text, buffer, nested } of await Promise.all(answers))
			console.log(text, sha(Buffer.from(buffer)), JSON.stringify(nested));
	}
	const texts = Array.from({ length: 40 }, (_, i) => 'text'.repeat(i * 5000));
	const packed = await Promise.all(texts.map(text => new Promise((resolve, reject) =>
		zlib.gzip(text, (error, data) => error ? reject(error) : resolve(data)))));
	const equal = texts.every((text, i) => zlib.gunzipSync(packed[i]).toString() === text);
	console.log(sha(Buffer.concat(packed)), equal);
	const child = execFileSync(process.execPath, ['-e', 'console.log("x".repeat(1e6).length)']);
	console.log(child.toString());
}

if (isMainThread)
	main();
else
	parentPort.once('message', ({ buffer, nested }) => {
		new Uint8Array(buffer).fill(workerData.n);
		parentPort.postMessage({ text: work(workerData.n), buffer, nested }, [buffer]);
	});

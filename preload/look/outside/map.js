// Says what lies under the pointer, and shows where the slabs of a size class lie.
'use strict';
const data = JSON.parse(document.getElementById('data').textContent);
const svg = document.querySelector('main > svg'), tip = document.getElementById('tip');
const at = new Map();
let number = data.base;
data.steps.forEach((step, i) => at.set(number += step, i));

function size(n) {
	let unit = 0;
	for (; n >= 1023.5 && unit < 5; unit++)
		n /= 1024;
	return (unit && n < 99.95 ? n.toFixed(1) : Math.round(n)) + [' bytes', ' KiB', ' MiB', ' GiB', ' TiB', ' PiB'][unit];
}

function told(set, i) {
	const kind = set.kinds[i], name = data.names[kind] || 'nothing of the heap';
	if (kind === '.')
		return name;
	const mapped = set.mapped[i] * data.page, resident = set.resident[i] * data.page;
	const lines = [kind === 's' ? `slabs of ${set.size[i].toLocaleString('en')} bytes` : name];
	lines.push(resident === mapped ? `${size(mapped)}, all in RAM` : `${size(resident)} of ${size(mapped)} in RAM`);
	if (resident && kind !== 'f' && kind !== 'u')
		lines.push(`${Math.round(100 * set.used[i] / resident)} % of that in use`);
	return lines.join('\n');
}

function cellUnder(event) {
	const p = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
	const column = Math.floor((p.x - data.left) / data.width);
	const row = data.rows.find(([y]) => p.y >= y && p.y < y + data.height);
	return row && column >= 0 && column < data.across ? row[1] * data.across + column : -1;
}

svg.addEventListener('mousemove', event => {
	const cell = cellUnder(event), i = at.get(cell);
	tip.style.display = i === undefined ? 'none' : 'block';
	if (i === undefined)
		return;
	const lines = data.sets.map((set, k) => (data.titles[k] ? data.titles[k] + ': ' : '') + told(set, i));
	tip.textContent = [`0x${(cell * data.cell).toString(16)}, ${size(data.cell)}`, ...lines].join('\n');
	tip.style.left = Math.min(event.clientX + 16, innerWidth - tip.offsetWidth - 8) + 'px';
	tip.style.top = Math.min(event.clientY + 16, innerHeight - tip.offsetHeight - 8) + 'px';
});
svg.addEventListener('mouseleave', () => tip.style.display = 'none');

const shown = document.createElementNS('http://www.w3.org/2000/svg', 'path');
shown.setAttribute('fill', 'none');
shown.setAttribute('stroke', '#d00000');
shown.setAttribute('stroke-width', '1.2');
svg.append(shown);

function show(wanted) {
	const place = new Map(data.rows.map(([y, row]) => [row, y])), set = data.sets[data.sets.length - 1], parts = [];
	for (const [cell, i] of at)
		if (wanted && set.kinds[i] === 's' && set.size[i] === wanted)
			parts.push(`M${data.left + cell % data.across * data.width} ${place.get(Math.floor(cell / data.across))}` +
				`h${data.width}v${data.height}h${-data.width}z`);
	shown.setAttribute('d', parts.join(''));
}

for (const row of document.querySelectorAll('tr[data-size]')) {
	row.tabIndex = 0;
	for (const [event, wanted] of [['mouseenter', Number(row.dataset.size)], ['focus', Number(row.dataset.size)],
		['mouseleave', 0], ['blur', 0]])
		row.addEventListener(event, () => show(wanted));
}

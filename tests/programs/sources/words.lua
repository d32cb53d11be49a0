-- Tables, strings, closures, coroutines and the collector in both of its modes.
local seed = 1
local function draw(n) seed = (seed * 1103515245 + 12345) & 0x7fffffff; return seed % n end

local function work()
	local count, parts = {}, {}
	for i = 1, 100000 do
		local letters = {}
		for k = 1, 2 + draw(3) do letters[k] = string.char(97 + draw(26)) end
		local word = table.concat(letters)
		count[word] = (count[word] or 0) + 1
		parts[#parts + 1] = word
	end
	local order = {}
	for word in pairs(count) do order[#order + 1] = word end
	table.sort(order, function(a, b)
		if count[a] ~= count[b] then return count[a] > count[b] end
		return a < b
	end)
	for i = 1, 50 do print(order[i], count[order[i]]) end
	local text = table.concat(parts, ' ')
	local swapped, n = text:gsub('(%w+) (%w+)', '%2-%1')
	print(#text, #swapped, n, swapped:sub(1, 200))
	local growing = ''
	for i = 1, 5000 do growing = growing .. parts[i] end
	print(#growing)
end

local function tree(depth) return depth > 0 and { tree(depth - 1), tree(depth - 1) } or {} end
local function size(t) return t[1] and 1 + size(t[1]) + size(t[2]) or 1 end

for _, mode in ipairs { 'incremental', 'generational' } do
	collectgarbage(mode)
	work()
	for depth = 4, 15 do print(depth, size(tree(depth))) end
	local makers = {}
	for i = 1, 2000 do
		makers[i] = coroutine.wrap(function() for k = 1, 5 do coroutine.yield(('z'):rep(i + k)) end end)
	end
	local total = 0
	for k = 1, 5 do for i = 1, #makers do total = total + #makers[i]() end end
	print(total)
	collectgarbage()
end

-- words.lua SIZE FILE: counts, changes and joins the words of a text, SIZE times over; prints a
-- checksum.  Strings of all lengths, tables that grow by doubling.

local text = assert(io.open(arg[2])):read("a")
local checksum = 0

local function add(s)
  for i = 1, #s, 7 do
    checksum = (checksum * 31 + s:byte(i)) & 0xffffffffffff
  end
end

for round = 1, tonumber(arg[1]) do
  local counts, order, pairs_seen = {}, {}, {}
  local last = ""
  for word in text:lower():gmatch("%a+") do
    local key = word .. round
    if not counts[key] then order[#order + 1] = key end
    counts[key] = (counts[key] or 0) + 1
    local pair = last .. " " .. word
    pairs_seen[pair] = {count = (pairs_seen[pair] or {count = 0}).count + 1, first = last}
    last = word
  end
  table.sort(order)
  local lines = {}
  for i, key in ipairs(order) do
    lines[i] = string.format("%-20s %6d %s", key, counts[key], key:reverse():gsub("[aeiou]", "*"))
  end
  add(table.concat(lines, "\n"))
end
print(checksum)

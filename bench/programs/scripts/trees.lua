-- trees.lua DEPTH: binary trees built and dropped beside one that lives; prints their counts.
-- Every node is a table with two fields: two blocks of malloc, freed by the collector.

local depth = tonumber(arg[1])

local function tree(levels)
  if levels == 0 then return {} end
  return {left = tree(levels - 1), right = tree(levels - 1)}
end

local function count(node)
  if not node.left then return 1 end
  return 1 + count(node.left) + count(node.right)
end

local long_lived = tree(depth)
for levels = 4, depth, 4 do
  local total = 0
  for _ = 1, 1 << (depth - levels + 3) do
    total = total + count(tree(levels))
  end
  print(levels, total)
end
print(count(long_lived))

# Hashes, strings, regular expressions, threads, fibers, fork, garbage collection and compaction.
require 'json'
require 'set'
require 'digest'

random = Random.new(1)
words = Array.new(60_000) { Array.new(2 + random.rand(3)) { (97 + random.rand(26)).chr }.join }
count = Hash.new { |hash, word| hash[word] = [] }
words.each_with_index { |word, n| count[word] << n }
order = count.sort_by { |word, at| [-at.size, word] }
order.first(100).each { |word, at| puts "#{word} #{at.size}" }

text = +''
words.each { |word| text << word << ' ' }
puts text.size, text.scan(/\b([aeiou])\w*?(\w)\b/).tally.sort.inspect
puts Digest::SHA256.hexdigest(text.gsub(/(\w+) (\w+)/, '\2-\1'))

json = JSON.generate(count)
puts json.size, JSON.parse(json) == count
puts Set.new(words.map(&:to_sym)).size

threads = Array.new(4) do |n|
  Thread.new { (1..20_000).map { |i| 'x' * (i * n % 300) }.sum(&:size) }
end
puts threads.map(&:value).inspect

fibers = Array.new(500) do |n|
  Fiber.new { 10.times { |i| Fiber.yield('y' * (n + i)) } }
end
puts 10.times.sum { fibers.sum { |fiber| fiber.resume.size } }

20.times do |n|
  GC.start if n % 5 == 0
  reader, writer = IO.pipe
  child = fork do
    writer.puts Array.new(2000) { |i| i.to_s * n }.sum(&:size)
    exit!(0)
  end
  writer.close
  puts reader.read
  Process.wait(child)
  raise "child: #{$?}" unless $?.success?
end
GC.compact
puts count.size

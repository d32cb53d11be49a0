# objects.rb SIZE: a shop's day, SIZE customers: objects, structs, symbols, hashes, arrays.  Short
# strings lie within ruby's own heap, longer ones and every table in malloc.  Prints a checksum.

Line = Struct.new(:article, :count, :price)

class Customer
  attr_reader :name, :lines, :notes

  def initialize(random, number)
    @name = "customer number #{number} of some street #{random.rand(1000)}"
    @lines = Array.new(random.rand(1..12)) do
      Line.new(:"article#{random.rand(500)}", random.rand(1..9), random.rand(10_000))
    end
    @notes = { seen: number, text: "x" * random.rand(200) }
  end

  def total
    @lines.sum { |line| line.count * line.price }
  end
end

random = Random.new(4)
by_article = Hash.new { |hash, key| hash[key] = [] }
kept = []
checksum = 0
Integer(ARGV[0]).times do |n|
  customer = Customer.new(random, n)
  customer.lines.each { |line| by_article[line.article] << [n, line.count] }
  by_article.each_value { |list| list.shift(list.size - 50) if list.size > 80 } if n % 1000 == 0
  kept[random.rand(5000)] = customer
  text = customer.name.split.map(&:capitalize).join("-") + customer.notes[:text].tr("x", "y")
  checksum = (checksum * 31 + customer.total + text.sum(32)) % (1 << 60)
end
puts checksum + kept.compact.sum(&:total) + by_article.sum { |_, list| list.size }

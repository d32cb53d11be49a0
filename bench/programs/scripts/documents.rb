# documents.rb SIZE: SIZE documents written as JSON and read again.  Prints a checksum.
require "json"

random = Random.new(5)
checksum = 0
Integer(ARGV[0]).times do |n|
  document = {
    "id" => n,
    "author" => { "name" => "author #{random.rand(100)}", "mail" => nil },
    "parts" => Array.new(random.rand(1..30)) do |part|
      { "title" => "part #{part} of #{n}", "words" => random.bytes(random.rand(40)).unpack1("H*"),
        "share" => random.rand(1000) / 8.0, "open" => part.odd? }
    end
  }
  copy = JSON.parse(JSON.generate(document))
  copy["parts"].sort_by! { |part| part["words"] }
  checksum = (checksum * 31 + JSON.pretty_generate(copy).sum(32)) % (1 << 60)
end
puts checksum

# words.pl SIZE FILE: words of a text in hashes of hashes and of arrays, changed by regular
# expressions, SIZE times over.  Prints a checksum.
use strict;
use warnings;

my ($size, $path) = @ARGV;
open(my $file, '<', $path) or die "$path: $!\n";
my @lines = <$file>;
close($file);

my ($checksum, @kept) = (0);
for my $round (1 .. $size) {
	my (%index, %pairs, $last);
	for my $n (0 .. $#lines) {
		for my $word (map { lc } $lines[$n] =~ /([A-Za-z]+)/g) {
			push @{$index{$word}{places}}, $n + $round;
			$index{$word}{length} //= length $word;
			$pairs{"$last $word"}++ if defined $last;
			$last = $word;
		}
	}
	my $text = '';
	for my $word (sort keys %index) {
		my @places = @{$index{$word}{places}};
		(my $changed = $word) =~ s/([aeiou])(\w)/uc($2) . $1/ge;
		$text .= sprintf("%-12s %s\n", $changed, join(',', map { $_ * 2 } @places));
	}
	my @often = sort { $pairs{$b} <=> $pairs{$a} || $a cmp $b } keys %pairs;
	$text .= join("\n", map { join '|', reverse split / / } @often);
	$checksum = ($checksum * 31 + unpack('%32C*', $text)) % 4294967296;
	push @kept, \%index;
	shift @kept if @kept > 3;
}
print "$checksum\n";

# Hashes, nested structures, sorts, regular expressions, growing strings, closures, fork.
use strict;
use warnings;
use threads;
use List::Util qw(sum max);
use Storable qw(dclone freeze thaw);

my $seed = 1;
sub draw { $seed = ($seed * 1103515245 + 12345) & 0x7fffffff; return $seed % shift; }

my (%count, @lines, $text);
for my $n (1 .. 60_000) {
	my $word = join '', map { chr(97 + draw(26)) } 1 .. 2 + draw(3);
	push @{ $count{$word} }, $n;
	$text .= "$word ";
	push @lines, $text =~ s/^.*(.{0,60})$/$1/sr if $n % 100 == 0;
}
my @sorted = sort { @{ $count{$b} } <=> @{ $count{$a} } || $a cmp $b } keys %count;
printf "%s %d\n", $_, scalar @{ $count{$_} } for @sorted[0 .. 99];
print length $text, ' ', scalar(@lines), ' ', sum(map { length } @lines), "\n";

my $copy = thaw(freeze(dclone(\%count)));
delete $copy->{$_} for grep { /^[aeiou]/ } keys %$copy;
print scalar(keys %$copy), ' ', max(map { $#$_ } values %$copy), "\n";

my %pairs;
$pairs{"$1$2"}++ while $text =~ /\b(\w)\w*?(\w)\b/g;
print join(',', map { "$_=$pairs{$_}" } sort keys %pairs), "\n";
(my $swapped = $text) =~ s/(\w+) (\w+)/$2-$1/g;
print substr($swapped, 0, 300), ' ', unpack('%32C*', $swapped), "\n";

my @makers = map { my $n = $_; sub { my $s = 'x' x ($n * shift); length $s } } 1 .. 500;
print sum(map { $_->(20) } @makers), "\n";

my @threads = map { my $n = $_; threads->create(sub {
	my %own = map { $_ * $n => 'v' x ($_ % 200) } 1 .. 20_000;
	return sum(map { length } values %own);
}) } 1 .. 4;
print join(' ', map { $_->join } @threads), "\n";

for my $n (1 .. 20) {
	my $pid = open(my $child, '-|') // die;
	if (!$pid) {
		print sum(map { length } @{ [ map { "$_" x $n } 1 .. 2000 ] }), "\n";
		exit 0;
	}
	print <$child>;
	close $child or die "child: $?";
}

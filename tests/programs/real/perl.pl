# Hashes, regular expressions, closures, a fork, an eval that dies, other programs: perl.pl N.
use strict;
use warnings;
$| = 1;
my %rows;
for my $i (1 .. $ARGV[0]) {
    my $text = join ',', map { $_ * $i } 1 .. 5;
    $rows{ $text =~ s/1/one/gr } .= $i;
}
my @keys = sort keys %rows;
print scalar(@keys), " $keys[0] $keys[-1]\n";
my @closures = map { my $n = $_; sub { $n += shift } } 1 .. 100;
print $closures[41]->(8), "\n";
eval { die { reason => 'a reason' } };
print $@->{reason}, "\n";
print `echo from a shell | tr a b`;
my $child = fork // die "fork: $!";
if (!$child) {
    my @many = map { "text $_" } 1 .. 1000;
    exit scalar(@many) % 7;
}
waitpid $child, 0;
print $? >> 8, "\n";
die "perl fails\n";

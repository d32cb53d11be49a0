# words.awk: counts the words of a text and their pairs, and cuts and joins strings; rounds times
# over each line.  Prints a checksum.
{
	for (round = 0; round < rounds; round++) {
		for (i = 1; i <= NF; i++) {
			word = tolower($i)
			gsub(/[^a-z]/, "", word)
			count[word, round % 7]++
			pairs[last, word] += i
			initials[NR % 500] = initials[NR % 500] substr(word, 1, 1)
			last = word
		}
		if (length(initials[NR % 500]) > 2000)
			delete initials[NR % 500]
	}
}

END {
	for (key in count)
		sum += count[key] * length(key)
	for (key in pairs) {
		split(key, both, SUBSEP)
		sum += pairs[key] * length(both[1] "-" both[2])
	}
	for (key in initials)
		sum += length(initials[key])
	print sum, length(count), length(pairs), length(initials)
}

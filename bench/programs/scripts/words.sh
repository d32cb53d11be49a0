# words.sh SIZE FILE: counts and changes the words of a text, SIZE times over, in arrays and strings
# of the shell.  Prints a checksum.
size=$1 file=$2 checksum=0

add()
{
	checksum=$(((checksum * 31 + $1) % 1000003))
}

for ((round = 1; round <= size; round++)); do
	declare -A count=() first=()
	number=0
	while read -r -a words; do
		number=$((number + 1))
		for word in "${words[@]}"; do
			word=${word,,}
			word=${word//[^a-z]/}
			[[ -n $word ]] || continue
			count[$word]=$((${count[$word]:-0} + 1))
			first[$word]=${first[$word]:-$number}
		done
		((number < 400)) || break
	done <"$file"
	line=
	for word in "${!count[@]}"; do
		add $((count[$word] * ${#word} + first[$word] * round))
		line+="${word/[aeiou]/*}=${count[$word]} "
		((${#line} < 2000)) || line=
	done
	add ${#line}
done
echo "$checksum"

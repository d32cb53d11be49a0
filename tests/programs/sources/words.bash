# Arrays, associative arrays, strings that grow, substitutions, subshells and functions.
declare -A count
declare -a list
seed=1
next() { seed=$(((seed * 1103515245 + 12345) & 0x7fffffff)); }

for ((i = 0; i < 30000; i++)); do
	next
	word=w$((seed % 5000))
	((count[$word]++))
	list+=("$word-$i")
done
text=
for ((i = 0; i < ${#list[@]}; i += 10)); do
	text+="${list[i]/-/:} "
done
echo "${#list[@]} ${#count[@]} ${#text}"
for word in "${!count[@]}"; do
	echo "$word ${count[$word]}"
done | sort -k2,2nr -k1,1 | head -n 100
echo "${text//1/one}" | fold -w 200 | tail -n 5

tree() { if (($1 > 0)); then echo "($(tree $(($1 - 1))) $1 $(tree $(($1 - 1))))"; else echo .; fi; }
tree 7
while read -r a b; do
	[[ $a =~ ^w([0-9]+)$ ]] && echo "${BASH_REMATCH[1]}-$b"
done < <(for w in "${list[@]:0:2000}"; do echo "${w%-*} ${w#*-}"; done) | md5sum

# What every download script does with its list of tars. ``download_script`` puts the list before it:
# list, not_retrieved and expected_tars. POSIX sh, curl, tar, and sha256sum or shasum.

set -u

tab=$(printf '\t')
list_file=./.download-list.$$
attributes_file=$list_file.attributes
complaints_file=$list_file.complaints
trap 'rm -f "$list_file" "$attributes_file" "$attributes_file".* "$complaints_file"' EXIT
trap 'exit 130' HUP INT TERM
missing=

# Names may hold anything: none of it is to tell a terminal what to do. U+0080 to U+009F have two bytes in UTF-8.
say() (
    LC_ALL=C
    export LC_ALL
    printf '%s\n' "$1" | sed -e "s/$(printf '[\001-\011\013-\037\177]')/?/g" -e "s/$(printf '\302[\200-\237]')/?/g" >&2
)

# Run a command that may name files, and say what it complains of.
run() {
    "$@" 2> "$complaints_file"
    set -- "$?"
    [ ! -s "$complaints_file" ] || say "$(cat "$complaints_file")"
    return "$1"
}

stop() {
    say "$1"
    exit 1
}

# Download the address $1 into the file $2, from where an earlier attempt stopped. The address is a secret:
# it reaches curl by its standard input, for everybody on this computer can read the arguments of a program.
fetch() {
    printf 'url = "%s"\n' "$1" | curl --config - --fail --silent --show-error --location \
        --retry 5 --connect-timeout 30 --speed-time 60 --speed-limit 1 --continue-at - --output "$2"
}

size_of() {
    if [ -f "$1" ]; then
        echo $(($(wc -c < "$1")))
    else
        echo 0
    fi
}

sha256_check() {
    if command -v sha256sum > /dev/null 2>&1; then
        sha256sum -c "$1"
    else
        shasum -a 256 -c "$1"
    fi
}

# Say which files of the list of checksums $2 are not as they should be in the folder $1.
check_files() {
    # A tar of another archiver has no list; an empty one says that it was unpacked.
    [ -s "$2" ] || return 0
    report=$({ cd "$1" && sha256_check -; } < "$2" 2> /dev/null) && return 0
    say "$(printf '%s\n' "$report" | grep -v ': OK$')"
    return 1
}

# Bring the tar $tar to its size of $size bytes.
download() {
    if [ "$(size_of "$tar")" -gt "$size" ]; then
        rm -f "$tar"
    fi
    if [ "$(size_of "$tar")" -lt "$size" ]; then
        fetch "$url" "$tar" || return 1
    fi
    if [ "$(size_of "$tar")" -ne "$size" ]; then
        say "$name has $(size_of "$tar") bytes, and should have $size."
        rm -f "$tar"
        return 1
    fi
}

# Delete the folder $1, whatever the modes of the folders in it.
discard() {
    [ -e "$1" ] || return 0
    find "$1" -type d ! -perm -700 -exec chmod u+rwx {} \;
    rm -rf "$1"
}

# Leave plain files and folders in the folder $1, which their owner can read and move: a tar may hold anything.
make_plain() {
    odd=$(find "$1" ! -type f ! -type d -exec rm -f {} \; -exec echo x \; | wc -l)
    [ "$odd" -eq 0 ] || say "Links and special files of $name that were left out: $((odd))"
    find "$1" -type d ! -perm -700 -exec chmod u+rwx {} \; &&
        find "$1" -type f ! -perm -400 -exec chmod u+r {} +
}

# Move what lies in the folder $1 into the folder $2, which may have some of the same folders; no link is followed.
merge() (
    cd "$1" || exit 1
    find . ! -name . -prune -type f -exec sh -c 'into=$1; shift; exec mv -f "$@" "$into/"' sh "$2" {} + || exit 1
    for part in * .[!.]* ..?*; do
        [ -d "./$part" ] || continue
        if [ -L "$2/$part" ]; then
            say "$2/$part is a link, and should be a folder."
            exit 1
        elif [ -d "$2/$part" ]; then
            merge "$1/$part" "$2/$part" || exit 1
        else
            mv "./$part" "$2/" || exit 1
        fi
    done
)

# Put the lists that the unpacked tar has of its files beside the tar: checksums, and modes with times.
take_lists() {
    : > "$lists.sha256.new" && : > "$lists.attributes" || return 1
    former=$fresh/.datablock/manifest-sha256.txt
    if [ -f "$former" ]; then
        # Backslashes were doubled there, which not every sha256sum knows; "-" alone is its standard input.
        sed -e 's/^\([0-9a-f]*  \)-$/\1.\/-/' -e '/^\\/{' -e 's/^.//' -e 's/\\\\/\\/g' -e '}' "$former" > "$lists.sha256.new"
    fi
    for own in "$fresh"/.datablock/[0-9]* "$fresh"/.datablock/selection-*; do
        [ -f "$own/manifest-sha256.txt" ] || continue
        cat "$own/manifest-sha256.txt" >> "$lists.sha256.new"
        [ ! -f "$own/modes-and-times.txt" ] || cat "$own/modes-and-times.txt" >> "$lists.attributes"
        discard "$dataset/.datablock/${own##*/}"
        mv "$own" "$dataset/.datablock/" || return 1
    done
    discard "$fresh/.datablock"
    [ -s "$lists.sha256.new" ] || say "$name has no list of checksums: only its size was checked."
}

# Unpack the tar $tar into a folder of its own, check its files there, and move them into the folder $dataset.
unpack() {
    fresh=$dataset/.datablock/unpacking
    discard "$fresh"
    mkdir "$fresh" || return 1
    if ! run tar -xof "$tar" -C "$fresh"; then
        say "$name cannot be unpacked."
        return 1
    fi
    run make_plain "$fresh" && take_lists && check_files "$fresh" "$lists.sha256.new" || return 1
    into=$(cd "$dataset" && pwd) && run merge "$into/.datablock/unpacking" "$into" && discard "$fresh" &&
        mv "$lists.sha256.new" "$lists.sha256"
}

# The lines of all lists of modes and times in the folder $1: octal mode or dashes, time, path, "/" after a folder's.
# No setuid or setgid of a file is taken from a list, and no path that leaves the folder.
attributes() {
    cat "$1"/.datablock/*.tar.attributes 2> /dev/null |
        grep -E '^(0[0-7]{3}|[-123][-0-7]{3}.*/$)' | grep -E '^.{4} [-0-9]{10}T[:.0-9]{18}Z \./' | grep -v -E '/\.\.?(/|$)'
}

# The paths in lines of attributes, as xargs -0 takes them.
paths_of() {
    cut -c 37- | tr '\n' '\0'
}

# Let the owner in again where an earlier run of this script has given back modes that keep him out.
loosen() (
    LC_ALL=C
    export LC_ALL
    attributes "$1" | grep '^[0-7]' | sort -k 3 > "$attributes_file"
    cd "$1" || exit 1
    grep '/$' "$attributes_file" | grep -v '^.7' | paths_of | xargs -0 -r chmod u+rwx
    grep -v '/$' "$attributes_file" | grep '^.[0-3]' | paths_of | xargs -0 -r chmod u+r
) 2> /dev/null

# Give the files and folders in the folder $1 the recorded modes, and folders their times: each after what lies in it.
give_attributes_back() (
    LC_ALL=C
    export LC_ALL
    attributes "$1" | sort -r -k 3 > "$attributes_file"
    cd "$1" || exit 1
    failed=0
    grep -v '/$' "$attributes_file" > "$attributes_file.files"
    cut -c 1-4 "$attributes_file.files" | sort -u > "$attributes_file.modes"
    while read -r mode; do
        grep "^$mode" "$attributes_file.files" | paths_of | xargs -0 chmod "$mode" || failed=1
    done < "$attributes_file.modes"
    grep '/$' "$attributes_file" > "$attributes_file.folders"
    while IFS= read -r line; do
        path=${line#* * }
        set_time "$(printf '%s\n' "$line" | cut -c 6-35)" "$path" || failed=1
        case $line in
            [0-7]*) chmod "${line%% *}" "$path" || failed=1 ;;
        esac
    done < "$attributes_file.folders"
    exit "$failed"
)

# Set the time of the folder $2 to $1: UTC as ISO 8601 has it, which not every touch reads.
set_time() {
    touch -d "$1" "$2" 2> /dev/null ||
        TZ=UTC0 touch -t "$(printf '%s\n' "$1" | sed 's/^\(....\)-\(..\)-\(..\)T\(..\):\(..\):\(..\).*/\1\2\3\4\5.\6/')" "$2"
}

# The paths, a line each, that other systems cannot hold, or take for one another.
awkward() {
    grep -E '[<>:"|?*\\]|[. ](/|$)' "$1"
    LC_ALL=C awk '{ lower = tolower($0) } lower in first { print first[lower]; print } !(lower in first) { first[lower] = $0 }' "$1"
}

# Write down which names of the dataset in the folder $1 to rename before it is copied to Windows or macOS.
warn_of_names() {
    paths=$1/.datablock/paths.$$
    cat "$1"/.datablock/*.tar.sha256 2> /dev/null | sed 's/^\\\{0,1\}[0-9a-f]\{64\}  \(\.\/\)\{0,1\}//' > "$paths"
    awkward "$paths" | sort -u > "$1/.datablock/names.txt"
    rm -f "$paths"
    if [ -s "$1/.datablock/names.txt" ]; then
        say "Windows and macOS cannot hold all names of ${1#./}, or take some for one another: ${1#./}/.datablock/names.txt"
    else
        rm -f "$1/.datablock/names.txt"
    fi
}

# Download, check and unpack one tar; what was done before is not done again.
receive() {
    tar=$dataset/.datablock/$name
    lists=$tar
    mkdir -p "$dataset/.datablock" || return 1
    if [ -f "$lists.sha256" ] && check_files "$dataset" "$lists.sha256"; then
        say "$name is here already."
        return 0
    fi
    rm -f "$lists.sha256"
    say "$name: $size bytes"
    download || return 1
    if ! unpack; then
        # The next attempt begins with other bytes.
        rm -f "$tar" "$lists.sha256.new" "$lists.attributes"
        discard "$fresh"
        return 1
    fi
    if [ -z "${KEEP_TARS:-}" ]; then
        rm -f "$tar"
    fi
}

case ${1:-} in
    -h | --help)
        say "Usage: sh $0 [folder]"
        say "Downloads into a folder for each dataset, here by default. Run it again to go on."
        say "KEEP_TARS=yes in the environment keeps the tars too."
        exit 0
        ;;
esac
for program in curl tar; do
    command -v "$program" > /dev/null 2>&1 || stop "This script needs $program."
done
command -v sha256sum > /dev/null 2>&1 || command -v shasum > /dev/null 2>&1 ||
    stop "This script needs sha256sum or shasum."
mkdir -p -- "${1:-.}" && cd -- "${1:-.}" || exit 1
list "$list_file" || stop "The list of tars cannot be had. Its link may have expired."
[ "$(($(wc -l < "$list_file")))" -eq "$expected_tars" ] || stop "The list of tars is not complete."
attributes_file=$(pwd)/${list_file#./}.attributes
complaints_file=$(pwd)/${list_file#./}.complaints

cut -f 2 "$list_file" | sort -u | while IFS= read -r folder; do
    loosen "./$folder"
done

while IFS=$tab read -r size folder name url <&3; do
    dataset=./$folder
    receive || missing="$missing$folder: $name
"
done 3< "$list_file"

cut -f 2 "$list_file" | sort -u | while IFS= read -r folder; do
    run give_attributes_back "./$folder" || say "Not all modes and times that were recorded in $folder could be given back."
    warn_of_names "./$folder"
done

failed=$(not_retrieved)
if [ -n "$failed" ]; then
    say "The archive could not give back:"
    say "$failed"
fi
if [ -n "$missing" ]; then
    say "Missing or damaged (run this script again to go on):"
    say "${missing%?}"
fi
[ -z "$failed$missing" ] || exit 1
case $expected_tars in
1) say "Complete: 1 tar was received, and its files are as they were archived." ;;
*) say "Complete: $expected_tars tars were received, and their files are as they were archived." ;;
esac

# What every download script does with its list of tars. ``download_script`` puts the list before it:
# list, not_retrieved and expected_tars. POSIX sh, curl, tar, and sha256sum or shasum.

set -u

tab=$(printf '\t')
list_file=./.download-list.$$
trap 'rm -f "$list_file"' EXIT
trap 'exit 130' HUP INT TERM
missing=

say() {
    printf '%s\n' "$1" >&2
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
    report=$(cd "$1" && sha256_check "./.datablock/${2##*/}" 2> /dev/null) && return 0
    printf '%s\n' "$report" | grep -v ': OK$' >&2
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

# Unpack the tar $tar into the folder $dataset, and check its files.
unpack() {
    manifest=$dataset/.datablock/manifest-sha256.txt
    rm -f "$manifest"
    if ! tar -xof "$tar" -C "$dataset"; then
        say "$name cannot be unpacked."
        return 1
    fi
    if [ -f "$manifest" ]; then
        mv "$manifest" "$checksums"
    else
        say "$name has no list of checksums: only its size was checked."
        : > "$checksums"
    fi
    check_files "$dataset" "$checksums"
}

# The paths, a line each, that other systems cannot hold, or take for one another.
awkward() {
    grep -E '[<>:"|?*\\]|[. ](/|$)' "$1"
    LC_ALL=C awk '{ lower = tolower($0) } lower in first { print first[lower]; print } !(lower in first) { first[lower] = $0 }' "$1"
}

# Write down which names of the dataset in the folder $1 to rename before it is copied to Windows or macOS.
warn_of_names() {
    paths=$1/.datablock/paths.$$
    cat "$1"/.datablock/*.tar.sha256 2> /dev/null | sed 's/^\\\{0,1\}[0-9a-f]\{64\}  //' > "$paths"
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
    checksums=$tar.sha256
    mkdir -p "$dataset/.datablock" || return 1
    if [ -f "$checksums" ] && check_files "$dataset" "$checksums"; then
        say "$name is here already."
        return 0
    fi
    rm -f "$checksums"
    say "$name: $size bytes"
    download || return 1
    if ! unpack; then
        # The next attempt begins with other bytes.
        rm -f "$tar" "$checksums"
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

while IFS=$tab read -r size folder name url <&3; do
    dataset=./$folder
    receive || missing="$missing$folder: $name
"
done 3< "$list_file"

cut -f 2 "$list_file" | sort -u | while IFS= read -r folder; do
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
say "Complete: $expected_tars tars were received, and their files are as they were archived."

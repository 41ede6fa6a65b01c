# shellcheck shell=bash
# shellcheck disable=SC2154 # scratch and die are those of whoever sources this
# Which of the tests against real databases run on which server; what
# tests/databases/versions.txt says of it. Whoever sources this has a directory
# for it in scratch.

LIST=$REPO/tests/databases/versions.txt

tests() {
  cargo test --locked --quiet --test databases -- "$@"
}

# lines WORD: what the list has under WORD.
lines() {
  sed -n "s/^$1 //p" "$LIST"
}

# begins FILTERS...: of the names read, those that begin with one of them.
begins() {
  awk -v filters="$*" 'BEGIN { n = split(filters, f, " ") }
    { for (i = 1; i <= n; i++) if (index($0, f[i]) == 1) { print; next } }'
}

# list_tests: a name that no test has any more would select nothing, and say
# nothing.
list_tests() {
  local words
  tests --list 2>"$scratch/list.err" >"$scratch/list" ||
    { cat -- "$scratch/list.err" >&2; die 'The tests could not be listed.'; }
  sed -n 's/: test$//p' "$scratch/list" >"$scratch/tests"
  while read -r words; do
    [[ -n $(begins "${words%%: *}" <"$scratch/tests") ]] || die "There is no test ${words%%: *}."
  done < <(lines slice; lines without | cut -d' ' -f2-)
}

# real_major MAJOR: the version behind a name that is none.
real_major() {
  if [[ $1 == "$WHEEL" ]]; then
    "$(postgres_bin "$1")/postgres" --version | sed -n 's/^postgres (PostgreSQL) \([0-9]*\).*/\1/p'
  else
    printf '%s\n' "$1"
  fi
}

# choose MAJOR [SLICE]: sets names to the tests that run on that server, those of
# the slice when there is a second word, and prints what is left out of them.
choose() {
  local major=$1 slice=${2:-} real of words
  local -a filters=() left=()
  real=$(real_major "$major")
  if [[ -n $slice ]]; then
    mapfile -t filters < <(lines slice | sed 's/: .*//')
    begins "${filters[@]}" <"$scratch/tests" >"$scratch/wanted"
  else
    cp -- "$scratch/tests" "$scratch/wanted"
  fi
  while read -r of words; do
    if [[ ,$of, == *,$major,* || ,$of, == *,$real,* ]] && [[ -n $(begins "${words%%: *}" <"$scratch/wanted") ]]; then
      left+=("${words%%: *}")
      printf '  not on %s: %s (%s)\n' "$major" "${words%%: *}" "${words#*: }"
    fi
  done < <(lines without)
  begins "${left[@]}" <"$scratch/tests" >"$scratch/left"
  # shellcheck disable=SC2034 # for whoever sources this
  mapfile -t names < <(grep -vxFf "$scratch/left" "$scratch/wanted")
}

# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # shared with demo/lib.bash and the scripts that source both
# What both demonstrations have in common: the directory, the program, the app,
# its two databases, and the move between them.

# begin NAME: sets DIR, the directory of the demonstration of that name.
begin() {
  # As root PostgreSQL runs as another user, who cannot pass through root's home.
  local state=${XDG_STATE_HOME:-$HOME/.local/state}
  [[ $EUID -ne 0 || -n ${XDG_STATE_HOME:-} ]] || state=/var/lib
  DIR=$(realpath -m -- "${AUTHCON_DEMO_DIR:-$state/auth-consistency/$1}")
  PARTS=$DIR/parts
  number=0
  times=
  helpers=()
  began=$EPOCHREALTIME
  # Whatever the caller's shell says about PostgreSQL is about another one.
  unset "${!PG@}"
}

down() {
  [[ -e $DIR ]] || return 0
  if [[ ! -e $DIR/.auth-consistency-demo ]]; then
    rmdir -- "$DIR" 2>/dev/null && return
    printf 'demo: %s is not empty, and was not made by the demonstration.\n' "$DIR" >&2
    exit 1
  fi
  halt operator
  halt app
  "$REPO/dev/parts" down --remove "$PARTS"
  rm -rf -- "$DIR"
}

# interrupted CODE: what an interrupt leaves, which is nothing.
interrupted() {
  trap - ERR
  [[ ${#helpers[@]} -eq 0 ]] || kill -s TERM -- "${helpers[@]}" 2>/dev/null || true
  down
  exit "$1"
}

guard() {
  trap 'fail "\"$BASH_COMMAND\" failed."' ERR
  trap 'interrupted 130' INT
  trap 'interrupted 143' TERM HUP
}

prepare() {
  local mask
  down
  mkdir -p -- "$DIR"
  chmod 711 -- "$DIR"
  mask=$(umask)
  umask 077
  mkdir -- "$DIR/secrets"
  : >"$DIR/.auth-consistency-demo"
  umask "$mask"
}

# timed NAME CMD...: runs CMD and keeps how long it took for the last line.
timed() {
  local name=$1 since=$EPOCHREALTIME
  shift
  "$@"
  times+="$name $(since "$since"), "
}

# since TIME: the seconds since then, in words.
since() {
  printf '%s.%s s\n' $(((${EPOCHREALTIME/[.,]/} - ${1/[.,]/}) / 1000000)) \
    $(((${EPOCHREALTIME/[.,]/} - ${1/[.,]/}) / 100000 % 10))
}

# count_crates FILE: shows on a terminal how far cargo is, by what it says of
# itself in FILE, until it is ended.
count_crates() {
  local started=$SECONDS compiled
  trap - ERR
  while kill -0 $$ 2>/dev/null; do
    compiled=$(grep -c '"compiler-artifact"' "$1") || true
    printf '\r   %d packages compiled, %d s ' "$compiled" $((SECONDS - started))
    sleep 1
  done
}

build() {
  local messages=$DIR/build.json code=0 counter=
  : >"$messages"
  if [[ -t 1 ]]; then
    count_crates "$messages" &
    counter=$!
    helpers+=("$counter")
  fi
  (cd -- "$REPO" && cargo build --locked --bin auth-consistency \
    --message-format=json-render-diagnostics >"$messages" 2>"$DIR/build.log") || code=$?
  if [[ -n $counter ]]; then
    kill -s TERM -- "$counter" 2>/dev/null || true
    wait "$counter" 2>/dev/null || true
    printf '\r\033[K'
  fi
  if [[ $code -ne 0 ]]; then
    tail -n 30 -- "$DIR/build.log" >&2
    fail "The program could not be built; what cargo said is in $DIR/build.log."
  fi
  program=$(python3 -I -c '
import json, sys
made = (json.loads(line) for line in sys.stdin if line.startswith("{"))
print([one["executable"] for one in made if one.get("executable")][-1])' <"$messages")
  [[ -x $program ]] || fail "cargo named no program."
  # Of its own, so that the next build does not pull it away from under the operator.
  mkdir -- "$DIR/bin"
  cp -- "$program" "$DIR/bin/"
  program=$DIR/bin/auth-consistency
}

# start_parts [OPTIONS]: PostgreSQL, and what else the options of dev/parts leave.
start_parts() {
  "$REPO/dev/parts" up --no-pgbouncer "$@" "$PARTS" || fail "PostgreSQL or what else runs beside it did not start; see above."
  # shellcheck disable=SC1091 # made a moment ago
  . "$PARTS/env"
  pg_port=${AUTHCON_TEST_POSTGRES_URL##*:}
  pg_port=${pg_port%%/*}
}

# ---- Databases and the app ----

# secret NAME: something random, kept in a file without a newline.
secret() {
  od -An -N24 -v -tx1 /dev/urandom | tr -d ' \n' >"$DIR/secrets/$1"
}

# url ROLE DATABASE [HOST]
url() {
  printf 'postgresql://%s:%s@%s:%s/%s' "$1" "$(<"$DIR/secrets/$1-role")" "${3:-127.0.0.1}" "$pg_port" "$2"
}

# sql DATABASE [PSQL-ARGUMENTS]: as the superuser.
sql() {
  local database=$1
  shift
  psql -X -q -At -v ON_ERROR_STOP=1 "${AUTHCON_TEST_POSTGRES_URL%/*}/$database" "$@"
}

# role NAME: a role that may log in.
role() {
  secret "$1-role"
  sql postgres <<<"CREATE ROLE \"$1\" LOGIN PASSWORD '$(<"$DIR/secrets/$1-role")'"
}

# database NAME FILE: a database that the app's role owns and fills.
database() {
  sql postgres -c "CREATE DATABASE $1 OWNER probeops"
  psql -X -q -1 -v ON_ERROR_STOP=1 -o /dev/null "$(url probeops "$1")" -f "$REPO/tests/app/$2"
}

# start_app DATABASE SECRET: the app with that signing secret, in place of the
# one that runs.
start_app() {
  local log=$DIR/app-$1-$2.log
  halt app
  app_log=$log
  DATABASE_URL=$(url probeops "$1") JWT_SECRET=$(<"$DIR/secrets/$2") \
    launch app "$log" "$AUTHCON_TEST_PYTHON" "$REPO/tests/app/serve.py" --port "$app_port"
  await app 30 grep -q '^listening on' "$log"
}

# ask METHOD PATH [ARGUMENTS]: sets code and answer.
ask() {
  local method=$1 path=$2 both
  shift 2
  both=$(python3 -I "$REPO/demo/ask.py" "$method" "http://127.0.0.1:$app_port$path" "$@")
  code=${both%%$'\n'*}
  answer=${both#*$'\n'}
}

# sign_in EMAIL SECRET
sign_in() {
  ask POST /auth/token --form "username=$1" --form "password@$DIR/secrets/$2"
}

# ask_with TOKEN METHOD PATH
ask_with() {
  ask "$2" "$3" --bearer <<<"$1"
}

# of_answer PATHS...: these fields of the app's answer, in one line.
of_answer() {
  local path line=
  for path in "$@"; do
    line+="$path $(field "$path" <<<"$answer"), "
  done
  printf '%s\n' "${line%, }"
}

# ---- The steps in common ----

old_environment() {
  step 'The old environment: ada signs in and holds a token that is good for a day.'
  umask 077
  app_port=$(free_port)
  role probeops
  secret old-jwt
  secret new-jwt
  secret admin
  printf 'correct horse 4711' >"$DIR/secrets/ada"
  printf 'old admin password' >"$DIR/secrets/old-admin"
  database probeops_old before.sql
  start_app probeops_old old-jwt
  sign_in ada@example.com ada
  expect 'signing in as ada' 200 "$code"
  token=$(field access_token <<<"$answer")
  row 'POST /auth/token' ada@example.com "$code"
  ask_with "$token" GET /users/me
  expect "ada's token in the old environment" '200 4711' "$code $(field id <<<"$answer")"
  row 'GET /users/me' "ada's token" "$code  $(of_answer id email)"
}

botched_migration() {
  local line
  step 'The move: a new database with new ids, a new signing secret. The app itself says what came of it.'
  database probeops migrate.sql
  start_app probeops new-jwt
  ask_with "$token" GET /users/me
  expect "ada's old token in the new environment" 401 "$code"
  row 'GET /users/me' "ada's token" "$code  $(field detail <<<"$answer")"
  sign_in admin@probeops.com old-admin
  expect 'signing in as the admin' 401 "$code"
  row 'POST /auth/token' 'admin@probeops.com' "$code  $(field detail <<<"$answer")"
  printf '%sWith the old secret put back:\n' "$margin"
  start_app probeops old-jwt
  ask_with "$token" POST /probes/ping
  expect "ada's old token under the old secret" 500 "$code"
  row 'POST /probes/ping' "ada's token" "$code  $(field detail <<<"$answer")"
  line=$(grep -o 'Key (user_id)=.*' "$app_log" | tail -n 1)
  expect "the app's log" 'Key (user_id)=(4711) is not present in table "users".' "$line"
  printf "%sthe app's log: %s\n" "$margin" "$line"
  start_app probeops new-jwt
}

# admin_signs_in: with the password of the Secret, in the app.
admin_signs_in() {
  local fresh
  sign_in admin@probeops.com admin
  expect 'signing in as the admin' 200 "$code"
  row 'POST /auth/token' admin@probeops.com "$code"
  fresh=$(field access_token <<<"$answer")
  ask_with "$fresh" GET /users/me
  expect "the admin's token" '200 email admin@probeops.com, role admin' "$code $(of_answer email role)"
  row 'GET /users/me' "the admin's token" "$code  $(of_answer id role)"
}

# ---- What the end says to try next ----

# NEXT has three words for each: the exit code, what the answer has, the command.

show_next() {
  local place
  for ((place = 2; place < ${#NEXT[@]}; place += 3)); do
    printf '   %s\n' "${NEXT[place]}"
  done
}

# try_next: runs all of it, where the story left it to a person.
try_next() {
  local place answer code
  if [[ ! -e $DIR/env ]]; then
    printf 'demo: nothing that came to its end is in %s. Start it first.\n' "$DIR" >&2
    exit 1
  fi
  # shellcheck disable=SC1091 # the story left it
  . "$DIR/env"
  cd -- "$DIR" || exit
  for ((place = 0; place < ${#NEXT[@]}; place += 3)); do
    code=0
    answer=$(bash -c "${NEXT[place + 2]}" 2>&1 </dev/null) || code=$?
    if [[ $code -ne ${NEXT[place]} || ! $answer =~ ${NEXT[place + 1]} ]]; then
      printf 'demo: %s\nwas to end with %s and %s. It ended with %s:\n%s\n' \
        "${NEXT[place + 2]}" "${NEXT[place]}" "${NEXT[place + 1]}" "$code" "$answer" >&2
      exit 1
    fi
    printf 'as it should: %s\n' "${NEXT[place + 2]}"
  done
}

# shellcheck shell=bash
# Processes that outlive the script that started them, and what the script shows.

# birth PID: when the process began, in clock ticks since boot; fails when it
# has ended. With the PID it names one process, even after the PID is reused.
birth() {
  local stat
  local -a fields
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
  # The name in parentheses may itself hold spaces and parentheses.
  read -ra fields <<<"${stat##*) }"
  [[ ${fields[0]} != [ZX] ]] || return 1
  printf '%s\n' "${fields[19]}"
}

# alive NAME: whether the process in NAME's pidfile still runs.
alive() {
  local pid began
  { read -r pid began <"$DIR/$1.pid"; } 2>/dev/null || return 1
  [[ $(birth "$pid") == "$began" ]]
}

declare -A logs

# launch NAME LOG CMD...: starts CMD so that it outlives this script.
launch() {
  local name=$1 log=$2 pid
  shift 2
  logs[$name]=$log
  # Neither setsid nor nohup forks here, so this PID is the one of CMD itself.
  setsid nohup "$@" </dev/null >"$log" 2>&1 &
  pid=$!
  # A process that ended at once is found out by whoever waits for it.
  printf '%s %s\n' "$pid" "$(birth "$pid" || echo 0)" >"$DIR/$name.pid"
}

# halt NAME: asks the process to end, and ends it after ten seconds.
halt() {
  local name=$1 pid began tick
  for ((tick = 0; tick < 220; tick++)); do
    alive "$name" || break
    read -r pid began <"$DIR/$name.pid"
    case $tick in
      0) kill -s TERM -- "$pid" 2>/dev/null || true ;;
      200) kill -s KILL -- "$pid" 2>/dev/null || true ;;
    esac
    sleep 0.05
  done
  rm -f -- "$DIR/$name.pid"
}

# await NAME SECONDS CMD...: waits until CMD succeeds while NAME runs.
await() {
  local name=$1 deadline=$((SECONDS + $2))
  shift 2
  until "$@" >/dev/null 2>&1; do
    alive "$name" || fail "The $name ended before it was ready: see ${logs[$name]}."
    ((SECONDS < deadline)) || fail "The $name was not ready in time: see ${logs[$name]}."
    sleep 0.05
  done
}

# free_port: a port that nothing listens on, below those that the kernel gives
# to outgoing connections.
free_port() {
  local port
  for ((port = 18000 + $$ % 1900; port < 20000; port++)); do
    if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      printf '%s\n' "$port"
      return
    fi
  done
  return 1
}

# ---- What is shown ----

# step TEXT: one sentence that says what happens.
step() {
  local bold='' plain=''
  number=$((number + 1))
  if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
    bold=$'\033[1m' plain=$'\033[0m'
  fi
  printf '\n%s%s. %s%s\n' "$bold" "$number" "$1" "$plain"
}

# Before each line of evidence.
margin='   '

# row WHAT WHO RESULT: one line of evidence.
row() {
  printf '%s%-18s %-32s %s\n' "$margin" "$1" "$2" "$3"
}

# shown [INDENT]: lines of evidence from standard input, folded to the page.
shown() {
  local indent=${1:-$margin}
  fold -s -w $((100 - ${#indent})) | sed "s/^/$indent/; s/ *$//"
}

# expect WHAT WANTED GOT: ends the demonstration unless they are equal.
expect() {
  [[ $3 == "$2" ]] || fail "$1: expected '$2', and it is '$3'."
}

# expect_text WHAT PATTERN TEXT: ends the demonstration unless TEXT matches.
expect_text() {
  [[ $3 =~ $2 ]] || fail "$1: expected something like '$2', and it is '$3'."
}

# paragraph HEAD: of a program's answer on standard input the part that begins with
# these words, up to the next empty line.
paragraph() {
  awk -v RS= -v head="$1" 'index($0, head) == 1'
}

# field PATH: a value in JSON on standard input, such as plan.steps.0.rows; a
# list or an object in one line, and nothing for null.
field() {
  python3 -I -c '
import json, sys
value = json.load(sys.stdin)
for part in sys.argv[1].split("."):
    value = value[int(part) if isinstance(value, list) else part]
print("" if value is None else value if isinstance(value, str) else json.dumps(value))' "$1"
}

# fail WHY
fail() {
  # Once: what a subshell has said, its parent does not repeat.
  trap - ERR
  if [[ ! -e $DIR/failed ]]; then
    : >"$DIR/failed"
    {
      if ((number > 0)); then
        printf '\ndemo: step %s does not show what it should. %s\n' "$number" "$1"
      else
        printf '\ndemo: %s\n' "$1"
      fi
      printf 'The logs are in %s; what runs is left as it is. Stop it with: make demo-down\n' "$DIR"
    } >&2
  fi
  exit 1
}

# What the demo tells its story with: processes that end with it, REST calls, and waiting with a deadline. Sourced by
# demo.sh, whose variables these functions use.

# Seconds that any single step may wait for its result.
PATIENCE=30

# Microseconds since 1970.
now() { echo "${EPOCHREALTIME//[^0-9]/}"; }

say() {
    step=$((step + 1))
    begun=$(now)
    printf '\n%2d. %s\n' "$step" "$1"
}

took() { printf '    -> held, after %s ms\n' $((($(now) - begun) / 1000)); }

indent() { sed 's/^/    /'; }

# Runs a command; shows what it printed only if it fails.
quiet() {
    local printed
    printed=$("$@" 2>&1) || stop_for "$* says: $printed"
}

url() { echo "https://127.0.0.1:${ports[$1]}"; }

# node COMMAND N [OPTION…]: asks node N with the operator's certificate.
node() { "$bin/codepop-node" "$1" --node "$(url "$2")" --pki "$pki" "${@:3}"; }

open_data_dir() {
    if [[ -z $data ]]; then
        data=$(mktemp -d)
        temporary=yes
    else
        mkdir -p "$data"
        data=$(cd "$data" && pwd)
    fi
    pki=$data/authority
}

# start NAME COMMAND…: a process that ends with the demo; its log goes to its folder.
start() {
    local name=$1
    shift
    "$@" >>"$data/$name/log" 2>&1 &
    pid[$name]=$!
}

start_node() {
    start "${names[$1]}" env -u DATABASE_URL "$bin/codepop-node" run --data-dir "$data/${names[$1]}" \
        --listen "127.0.0.1:${ports[$1]}"
}

kill_node() {
    local name=${names[$1]}
    kill -9 "${pid[$name]}"
    # The shell would report the kill as news.
    wait "${pid[$name]}" 2>/dev/null || true
    unset "pid[$name]"
    echo "    $name is gone"
}

# wait_for WHAT COMMAND…: until the command holds.
wait_for() {
    local what=$1 end=$(($(now) + PATIENCE * 1000000))
    shift
    until "$@"; do
        check_alive
        (($(now) < end)) || stop_for "not within $PATIENCE s: $what; the last answer: ${code:-none} ${body:-}"
        sleep 0.05
    done
}

check_alive() {
    local name
    for name in "${!pid[@]}"; do
        kill -0 "${pid[$name]}" 2>/dev/null && continue
        stop_for "$name has ended: $(tail -n 5 "$data/$name/log")"
    done
}

# call METHOD PATH [BODY [TOKEN]]: sets `code` and `body`. With a `jar` it keeps cookies there, as a phone does.
call() {
    local answer args=(-sS --max-time 15 -X "$1" -H "Content-Type: application/json")
    [[ -z $store ]] || args+=(-H "X-CodePop-Store: $store")
    [[ -z ${4:-} ]] || args+=(-H "Authorization: Token $4")
    [[ -z ${3:-} ]] || args+=(--data "$3")
    [[ -z $jar ]] || args+=(--cookie "$jar" --cookie-jar "$jar")
    code=000 body=
    answer=$(curl "${args[@]}" -w '\n%{http_code}' "http://127.0.0.1:$gateway_port$2" 2>&1) || return 1
    code=${answer##*$'\n'}
    body=${answer%$'\n'*}
    called="$1 $2"
}

# answers METHOD PATH STATUS [BODY [TOKEN]]: whether that is the status.
answers() { call "$1" "$2" "${4:-}" "${5:-}" && [[ $code == "$3" ]]; }

# ask METHOD PATH STATUS [BODY [TOKEN]]: the status must be that; shows what came back.
ask() {
    answers "$@" || stop_for "$1 $2 should have been answered with $3: $code $body"
    show
}

# shows PATH PART: whether Ada's answer there holds the part.
shows() { answers GET "$1" 200 "" "$ada" && [[ $body == *"$2"* ]]; }

# Prints the last call and its answer, without the token and the payment's secret.
show() {
    local text
    text=$(sed -E 's/"(token|paymentIntent|ephemeralKey)":"[^"]*"/"\1":"…"/g' <<<"$body")
    ((${#text} <= 300)) || text="${text:0:300} …"
    printf '    %s\n      %s %s\n' "$called" "$code" "$text"
}

# log_in NAME PASSWORD: sets `token`.
log_in() {
    answers POST /backend/auth/login/ 200 "{\"username\":\"$1\",\"password\":\"$2\"}" || return 1
    token=$(field token "$body")
}

# field NAME JSON: the first string of that name.
field() { sed -nE "s/.*\"$1\": ?\"([^\"]*)\".*/\1/p" <<<"$2" | head -n 1; }

# number NAME JSON: the first number of that name.
number() { sed -nE "s/.*\"$1\": ?([0-9]+).*/\1/p" <<<"$2" | head -n 1; }

status() { node status "$1" --json; }

# The digest of what everyone has, at node N; nothing while it does not answer.
digest() { node status "$1" 2>/dev/null | sed -nE 's/^ *digest +everyone +([0-9a-f]+) .*/\1/p'; }

# Ends everything, however the demo ends.
finish() {
    local status=$? name
    trap - EXIT INT TERM
    if [[ $status != 0 && $status != 130 && $status != 143 && -n $pki ]]; then
        for name in "${!pid[@]}"; do
            echo "--- the last of $name:" >&2
            tail -n 8 "$data/$name/log" >&2 || true
        done
    fi
    [[ ${#pid[@]} == 0 ]] || kill "${pid[@]}" 2>/dev/null || true
    for name in "${!pid[@]}"; do
        # Nodes finish what is under way; those that hang are not waited for.
        local tries=0
        while kill -0 "${pid[$name]}" 2>/dev/null && ((tries++ < 100)); do sleep 0.05; done
        kill -9 "${pid[$name]}" 2>/dev/null || true
        wait "${pid[$name]}" 2>/dev/null || true
    done
    [[ ${temporary:-no} == no ]] || rm -rf "$data"
    exit "$status"
}

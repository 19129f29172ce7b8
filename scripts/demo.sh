#!/usr/bin/env bash
# The story of CodePop on one machine: a supply hub, three stores and a gateway, all real processes with certificates of a
# throw-away authority. Sign up at one store, be at home at every store, whatever breaks in between.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
    cat <<'TEXT'
usage: scripts/demo.sh [--once] [--port-base N] [--data-dir D] [--release]

  --once          end after the story; exit status 0 only if every step held
  --port-base N   gateway on port N, nodes on N+1 and up (otherwise 8000, and 7100 to 7103)
  --data-dir D    keep keys, databases and logs in D (otherwise a temporary folder, removed at the end)
  --release       build and run the optimised programs
TEXT
}

once=no base= data= profile=debug
gateway_port=8000
ports=(7100 7101 7102 7103)
# As `seed --profile demo` calls them.
names=(hub-c logan-001 logan-002 logan-003)
titles=("Cache Valley Hub" "Logan Main Street" "Logan Campus" "Providence")

need_value() { [[ $# -ge 2 && -n $2 ]] || { echo "demo.sh: $1 needs a value" >&2; exit 2; }; }
while [[ $# -gt 0 ]]; do
    case $1 in
        --once) once=yes ;;
        --release) profile=release ;;
        --port-base) need_value "$@"; base=$2; shift ;;
        --data-dir) need_value "$@"; data=$2; shift ;;
        --help | -h) usage; exit 0 ;;
        *) echo "demo.sh: \"$1\" is no option" >&2; usage >&2; exit 2 ;;
    esac
    shift
done
if [[ -n $base ]]; then
    if ! [[ $base =~ ^[0-9]{1,5}$ ]] || ((10#$base < 1 || 10#$base > 65531)); then
        echo "demo.sh: --port-base is \"$base\": must be 1 to 65531" >&2
        exit 2
    fi
    gateway_port=$((10#$base))
    ports=($((gateway_port + 1)) $((gateway_port + 2)) $((gateway_port + 3)) $((gateway_port + 4)))
fi

stop_for() { echo "demo.sh: $1" >&2; exit 1; }
source scripts/lib/tools.sh
source scripts/lib/story.sh

prepare() {
    say "Building the programs ($profile; the first time takes some minutes)"
    local flags=()
    [[ $profile == debug ]] || flags=(--release)
    cargo build --quiet "${flags[@]}" -p codepop-node -p codepop-gateway
    bin=${CARGO_TARGET_DIR:-$PWD/target}/$profile
    took
    local port
    for port in "$gateway_port" "${ports[@]}"; do
        # A connection that succeeds means that somebody else is there.
        ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || stop_for "port $port is in use: try --port-base"
    done
    open_data_dir

    say "Making a chain with test data: an authority, a hub, three stores and a gateway, people, stock, a month of orders"
    local options=(--profile demo --dir "$data" --clear)
    [[ -z $base ]] || options+=(--port-base "$gateway_port")
    quiet "$bin/codepop-node" seed "${options[@]}"
    indent <"$data/summary.txt"
    took
}

start_everything() {
    say "Starting the hub, three stores and the gateway: nodes find each other"
    local n
    for n in 0 1 2 3; do start_node "$n"; done
    start gateway "$bin/codepop-gateway" run --data-dir "$data/gateway" --listen "127.0.0.1:$gateway_port" \
        --nodes "$(url 0),$(url 1),$(url 2),$(url 3)"
    for n in 0 1 2 3; do wait_for "node ${names[n]} sees the 3 others" all_known "$n"; done
    wait_for "the gateway answers" answers GET /backend/p2p/health/ 200
    for n in 1 2 3; do id[n]=$(field node_id "$(status "$n")"); done
    indent < <(node peers 1)
    took
}

all_known() {
    local peers
    peers=$(node peers "$1" --json 2>/dev/null) && [[ $(grep -c '"peer_id"' <<<"$peers") == 3 ]]
}

people_and_goods() {
    local password drink
    password=$(<"$data/password")
    say "Store 1's manager, whom the test data made, logs in and sees the store: its day, and what it earned in the month"
    store=${id[1]}
    wait_for "the manager can log in" log_in manager_001 "$password"
    ask GET "/backend/stores/${id[1]}/dashboard/" 200 "" "$token"
    ask GET /backend/revenues/totals/ 200 "" "$token"
    took

    say "The hub has published the menu; store 1 has what its drinks need"
    store=
    ask GET /backend/drinks/ 200
    while read -r drink; do drinks+=("$drink"); done < <(grep -oE '"DrinkID": ?[0-9]+' <<<"$body" | grep -oE '[0-9]+')
    ask POST "/backend/stores/${id[1]}/check-inventory/" 200 "{\"drinks\":[${drinks[0]},${drinks[1]}]}"
    took

    say "The super admin, at home at the hub, lets store 1 be open round the clock, so that the story can be told at night"
    wait_for "the super admin can log in" log_in superadmin "$password"
    local day hours=
    for day in monday tuesday wednesday thursday friday saturday sunday; do
        hours+=",\"$day\":{\"open\":\"00:00\",\"close\":\"24:00\"}"
    done
    ask PATCH "/backend/stores/${id[1]}/" 200 "{\"hours_of_operation\":{${hours#,}}}" "$token"
    took
}

a_purchase() {
    say "A guest, without an account, designs a drink at store 1, pays (simulated) and orders it"
    store=${id[1]}
    # The phone's network stack keeps cookies by itself; that is how the store knows a guest again.
    jar=$data/gateway/phone
    ask POST /backend/drinks/ 201 '{"Name":"Drink in User Cart","SodaUsed":["Sprite"],"SyrupsUsed":["blue raspberry"],"AddIns":[],"Price":2.0,"User_Created":true,"Size":"24oz","Ice":"No Ice"}'
    local drink payment
    drink=$(number DrinkID "$body")
    ask POST /backend/create-payment-intent/ 200 '{"amount":2.3}'
    payment=$(field paymentIntent "$body")
    ask POST /backend/orders/ 201 "{\"UserID\":null,\"Drinks\":[$drink],\"OrderStatus\":\"processing\",\"PaymentStatus\":\"paid\",\"StripeID\":\"$payment\"}"
    order=$(number OrderID "$body")
    took

    say "The order is the guest's alone; paying once more with the same payment orders nothing more"
    ask POST /backend/orders/ 200 "{\"UserID\":null,\"Drinks\":[$drink],\"StripeID\":\"$payment\"}"
    jar=
    ask GET "/backend/orders/$order/" 401
    took
}

customer_anywhere() {
    say "A customer signs up at store 1 (${titles[1]})"
    store=${id[1]}
    ask POST /backend/auth/register/ 201 '{"username":"ada","password":"violet-harbour-93","first_name":"Ada"}'
    user=$(number user_id "$body")
    took

    say "and logs in at store 2 (${titles[2]}), which has never seen her"
    store=${id[2]}
    wait_for "she is known at store 2" log_in ada violet-harbour-93
    ada=$token
    show
    took

    say "At store 2 she adds a favourite; store 1 shows it"
    ask POST "/backend/users/$user/favorites/" 201 "{\"drink_id\":${drinks[0]}}" "$ada"
    store=${id[1]}
    wait_for "store 1 shows it" shows "/backend/users/$user/favorites/" "\"DrinkID\":${drinks[0]}"
    show
    took

    say "Stores near her, nearest first"
    ask GET "/backend/stores/discover/?lat=41.7320&lon=-111.8350" 200
    took
}

things_break() {
    say "The hub is killed (kill -9); a change at store 1 still reaches store 3"
    kill_node 0
    store=${id[1]}
    ask PATCH /backend/users/me/ 200 '{"last_name":"Lovelace"}' "$ada"
    store=${id[3]}
    wait_for "store 3 has it" shows /backend/users/me/ '"last_name":"Lovelace"'
    show
    took

    say "Store 1 is killed too; the app asks for store 1 and goes on through another store"
    kill_node 1
    store=${id[1]}
    wait_for "another store answers" answers PATCH /backend/users/me/ 200 '{"email":"ada@example.org"}' "$ada"
    show
    took

    say "Store 1 comes back; it catches up with what it missed"
    start_node 1
    wait_for "store 1 has the new address" has_caught_up
    indent < <(node status 1)
    took

    say "The hub comes back too; after that the merged data of all nodes are the same, by digest"
    start_node 0
    wait_for "all digests are equal" digests_equal
    indent < <(for n in 0 1 2 3; do printf '%-10s %s\n' "${names[n]}" "$(digest "$n")"; done)
    took
}

# The address must come from store 1 itself: the app's door would go round it.
has_caught_up() { [[ -n $(digest 1) && $(digest 1) == "$(digest 2)" ]]; }

digests_equal() {
    local n first
    first=$(digest 0)
    [[ -n $first ]] || return 1
    for n in 1 2 3; do [[ $(digest "$n") == "$first" ]] || return 1; done
}

what_to_try() {
    local gateway=http://127.0.0.1:$gateway_port certificate="-cacert $pki/ca.pem -cert $pki/operator.pem -key $pki/operator.key"
    cat <<TEXT

All of it runs until Ctrl-C. Things to try:

  curl $gateway/backend/drinks/
  curl "$gateway/backend/stores/discover/?lat=41.73&lon=-111.83"
  curl -H "Authorization: Token \$TOKEN" $gateway/backend/users/me/     # TOKEN from the next line
  curl -H 'Content-Type: application/json' -d '{"username":"ada","password":"violet-harbour-93"}' $gateway/backend/auth/login/
  cat $data/password     # of superadmin, logistics_c, repair_c, admin_001, manager_001, general_user, user1 to user10
  curl -H 'Content-Type: application/json' -d '{"message":"my drink was wrong"}' $gateway/backend/chatbot/
  curl $gateway/openapi.json

  grpcurl $certificate 127.0.0.1:${ports[1]} list
  grpcurl $certificate 127.0.0.1:${ports[1]} describe codepop.accounts.v1.AccountsService
  grpcurl $certificate -d '{}' 127.0.0.1:${ports[1]} codepop.nodes.v1.NodesService/GetStatus

  $bin/codepop-node status --node $(url 1) --pki $pki
  $bin/codepop-node peers --node $(url 1) --pki $pki
  kill -9 ${pid[hub-c]}    # the hub; logs are in $data/*/log
TEXT
}

declare -A pid=()
id=() drinks=() token= body= store= user= ada= bin= pki= jar= order=
step=0 begun=0
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

need_rust
need_program curl curl
prepare
start_everything
people_and_goods
a_purchase
customer_anywhere
things_break
echo
echo "Every step held."
[[ $once == no ]] || exit 0
what_to_try
# Until Ctrl-C, or until the last of them is gone.
wait

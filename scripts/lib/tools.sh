# Tools that scripts need beside bash: looks for them, installs what it may, and otherwise says what to install.
# Sourced; expects `stop_for REASON` to end the script.

# True when Debian packages can be installed without asking.
may_install() { [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; }

# install_packages NAME…: installs Debian packages, quietly.
install_packages() {
    echo "installing Debian packages: $*"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        -o Dpkg::Options::=--force-confold "$@" >/dev/null
}

# need_program PROGRAM PACKAGE: the program is there afterwards.
need_program() {
    command -v "$1" >/dev/null && return
    may_install || stop_for "$1 is missing: install it (Debian: apt-get install $2)"
    install_packages "$2" || stop_for "$1 is missing, and $2 could not be installed"
}

# need_rust: cargo and a C compiler are there, and the components named.
need_rust() {
    command -v cargo >/dev/null || stop_for "cargo is missing: install Rust (1.88 or newer) with rustup"
    command -v cc >/dev/null || need_program cc gcc
    local component
    for component in "$@"; do
        case $component in
            rustfmt) cargo fmt --version >/dev/null 2>&1 && continue ;;
            clippy) cargo clippy --version >/dev/null 2>&1 && continue ;;
        esac
        command -v rustup >/dev/null || stop_for "$component is missing: install it for the Rust toolchain in use"
        rustup component add "$component" || stop_for "$component is missing: run rustup component add $component"
    done
}

# need_python_tools FOLDER PACKAGE…: a Python environment in FOLDER with the packages; kept between runs.
need_python_tools() {
    local folder=$1 wanted
    shift
    wanted=$*
    [[ -f $folder/.packages && $(<"$folder/.packages") == "$wanted" ]] && return
    rm -rf "$folder"
    mkdir -p "$(dirname "$folder")"
    need_program python3 python3
    if ! python3 -m venv "$folder" >/dev/null 2>&1; then
        may_install || stop_for "Python's venv is missing: install it (Debian: apt-get install python3-venv)"
        install_packages python3-venv || stop_for "python3-venv could not be installed"
        rm -rf "$folder"
        python3 -m venv "$folder" || stop_for "python3 -m venv $folder fails"
    fi
    echo "installing Python packages: $wanted"
    "$folder/bin/pip" install --quiet --disable-pip-version-check "$@" || stop_for "pip could not install: $wanted"
    printf '%s' "$wanted" >"$folder/.packages"
}
